"""The hub's address: where it listens, and the URL that sites are given."""

from pathlib import Path

import pytest

from cloud.fleet.hub import advertised_url, broker_config, hub_address, hub_authority
from cloud.network_settings import HubSettings
from cloud.settings import CloudSettings
from messaging.errors import StateFileBroken

EVERYWHERE = HubSettings(host="0.0.0.0", port=4222, advertised_host="hub.example.org")


@pytest.mark.parametrize(
    ("hub", "listens", "url"),
    [
        (HubSettings(), 'listen: "127.0.0.1:4222"', "nats://127.0.0.1:4222"),
        (EVERYWHERE, 'listen: "0.0.0.0:4222"', "tls://hub.example.org:4222"),
        (HubSettings(advertised_host="10.0.0.5"), 'listen: "127.0.0.1:4222"', "tls://10.0.0.5:4222"),
    ],
)
def test_the_hub_listens_as_configured_and_sites_are_given_a_reachable_url(
    tmp_path: Path, hub: HubSettings, listens: str, url: str
) -> None:
    settings = CloudSettings(data=tmp_path, hub=hub)
    config = broker_config(settings, hub_authority(settings))
    assert listens in config.rendered(4222)
    scheme = "nats" if config.tls is None else "tls"
    assert advertised_url(hub, f"{scheme}://127.0.0.1:4222") == url


def test_before_the_first_start_there_is_no_url_for_sites(tmp_path: Path) -> None:
    assert hub_address(CloudSettings(data=tmp_path).folder) is None


@pytest.mark.parametrize("content", [b"", b"\0\0", b"{", b"[]", b"{}", b'{"url": 7}'])
def test_a_damaged_address_file_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    folder = CloudSettings(data=tmp_path).folder
    folder.hub.mkdir()
    (folder.hub / "address.json").write_bytes(content)
    with pytest.raises(StateFileBroken, match=r"address\.json is (empty|damaged)"):
        hub_address(folder)
