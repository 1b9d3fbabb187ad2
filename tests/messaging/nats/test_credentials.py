"""Seeds, credentials and lists of keys that are emptied, cut or foreign: never believed, never printed."""

import time
from pathlib import Path

import pytest

from messaging.errors import ConfigurationError, StateFileBroken
from messaging.nats.broker_config import site_config
from messaging.nats.credentials import HubAuthority, check_credentials, new_user_key, read_key

DAMAGED = [b"", b"\0" * 58, b"SUAB", b"\xff\xfes\0", b"-----BEGIN NATS USER JWT-----\na.b.c\n"]


def _authority(folder: Path) -> HubAuthority:
    return HubAuthority(folder, now_utc=int(time.time()))


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", ["node.nk", "gate.nk"])
def test_a_damaged_seed_of_a_site_stops_the_broker_and_is_not_made_again(
    tmp_path: Path, name: str, content: bytes
) -> None:
    site_config(tmp_path, "s1")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"seed file {tmp_path / name} is not usable"):
        site_config(tmp_path, "s1")
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("name", ["operator.seed", "account.seed", "system.seed"])
def test_a_damaged_seed_of_the_hub_stops_the_cloud(tmp_path: Path, name: str) -> None:
    _authority(tmp_path)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigurationError, match="restore it from a backup"):
        _authority(tmp_path)


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_credentials_are_made_again_and_the_old_key_can_still_be_revoked(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    authority = _authority(tmp_path)
    path = authority.enrol_site("s1")
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"is not usable .*enrol the site again"):
        check_credentials(path)
    assert authority.enrol_site("s1") == path
    check_credentials(path)
    assert "new ones are made" in caplog.text
    assert len((tmp_path / "site-s1.keys").read_text().split()) == 2


@pytest.mark.parametrize("content", [b"", b"\0\0", b"[]", b'{"U'])
def test_a_damaged_list_of_revocations_is_never_taken_for_an_empty_one(
    tmp_path: Path, content: bytes
) -> None:
    authority = _authority(tmp_path)
    authority.enrol_site("s1")
    authority.revoke_site("s1")
    (tmp_path / "revoked.json").write_bytes(content)
    with pytest.raises(StateFileBroken, match="without it revoked sites could connect again"):
        _authority(tmp_path).settings()


@pytest.mark.parametrize("content", [b"", b"\0\0", b"something else"])
def test_a_damaged_list_of_issued_keys_refuses_a_revocation_that_would_miss_some(
    tmp_path: Path, content: bytes
) -> None:
    authority = _authority(tmp_path)
    authority.enrol_site("s1")
    (tmp_path / "site-s1.keys").write_bytes(content)
    with pytest.raises(StateFileBroken, match="not all credentials of site-s1 could be revoked"):
        authority.revoke_site("s1")


def test_no_error_repeats_what_is_in_a_seed_file(tmp_path: Path) -> None:
    seed = new_user_key().seed
    path = tmp_path / "node.nk"
    path.write_text(seed[:-1])
    with pytest.raises(ConfigurationError) as caught:
        read_key(path)
    assert seed[:10] not in str(caught.value)
