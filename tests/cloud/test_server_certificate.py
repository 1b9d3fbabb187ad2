"""A cloud that is encrypted: its API, its clients, its hub's files for a site, and what its doctor says."""

import asyncio
import re
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from typer.testing import CliRunner

from cloud.api.client import RemoteCloud
from cloud.cli.main import app
from cloud.doctor import examine, start_checks
from cloud.errors import CloudUnreachable
from cloud.network_settings import ApiSettings, HubSettings, TlsSettings
from cloud.server_certificate import (
    CertificateRenewal,
    api_context,
    certificate_authority,
    server_certificate,
)
from cloud.settings import CloudSettings
from dashboards.client import CloudClient
from edge.gate.settings import GateSettings
from messaging.cloud_address import find_cloud
from messaging.errors import ConfigurationError
from messaging.resources import OverviewResource, SiteResource
from messaging.runtime.configuration_files import load_settings
from messaging.tls.certificate_authority import CertificateAuthority
from messaging.tls.certificates import read_keyed
from tests.support.cloud.running_cloud import RunningCloud, running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages

DAY_S = 86_400.0


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    folder = tmp_path_factory.mktemp("cloud")
    settings = CloudSettings(data=folder, api=ApiSettings(port=0), tls=TlsSettings(on_loopback=True))
    with running_cloud(
        settings, lambda _: ScriptedStages(), first_models=lambda _: None, embedded_hub=True
    ) as up:
        yield up


def test_command_line_and_page_reach_the_api_over_tls_and_verify_it(cloud: RunningCloud) -> None:
    async def page() -> OverviewResource:
        async with CloudClient(find_cloud(cloud.settings.data)) as client:
            return await client.get("overview", OverviewResource)

    with cloud.client() as client:
        assert client.url.startswith("https://127.0.0.1:")
        assert client.get("overview", OverviewResource) == asyncio.run(page())


def test_a_cloud_of_another_authority_is_not_believed(cloud: RunningCloud, tmp_path: Path) -> None:
    other = CertificateAuthority(tmp_path, clock=time.time, days=90.0)
    other.make()
    address = replace(find_cloud(cloud.settings.data), ca=other.path.read_text())
    sentence = "does not answer .its certificate is of another authority"
    with RemoteCloud(address) as client, pytest.raises(CloudUnreachable, match=sentence):
        client.get("overview", OverviewResource)


def test_the_api_speaks_neither_plain_http_nor_tls_1_2(cloud: RunningCloud) -> None:
    address = urlsplit(find_cloud(cloud.settings.data).url)
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://{address.netloc}/healthz", timeout=5.0, trust_env=False)
    old = ssl.create_default_context(cadata=find_cloud(cloud.settings.data).ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((address.hostname, address.port), 5.0) as link, pytest.raises(ssl.SSLError):
        old.wrap_socket(link, server_hostname="127.0.0.1")


def test_a_new_site_gets_files_that_its_gate_and_the_hub_accept(cloud: RunningCloud, tmp_path: Path) -> None:
    data, folder = str(cloud.settings.data), tmp_path / "attic"
    options = ["--out", str(folder), "--camera", "north=usb:0", "--data", data]
    done = CliRunner().invoke(app, ["sites", "add", "attic", *options])
    assert done.exit_code == 0, done.output
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    gate = load_settings(GateSettings, folder / "gate.yaml")
    assert gate.hub_url.startswith("tls://127.0.0.1:")
    assert (gate.hub_ca, gate.hub_certificate) == (Path("hub_ca.pem"), Path("hub.pem"))
    assert read_keyed(folder / "hub.pem").certificate.subject == "site-attic"
    with cloud.client() as client:
        client.send("POST", "sites/attic/revoke", SiteResource)
    assert not list(cloud.settings.folder.hub.glob("authority/sites/attic/*.pem"))


def test_the_doctor_has_nothing_to_object(cloud: RunningCloud) -> None:
    results = {one.name: one for one in examine(cloud.settings)}
    assert [one.detail for one in results.values() if not one.ok] == []
    names = {"server certificate", "certificate authority", "hub key cloud/hub.pem"}
    assert names <= results.keys()


def _expired(settings: CloudSettings) -> None:
    old = CertificateAuthority(
        settings.folder.certificates, clock=lambda: time.time() - 4000 * DAY_S, days=90.0
    )
    old.make()


def _readable(settings: CloudSettings) -> None:
    authority = certificate_authority(settings)
    authority.make()
    authority.key_path.chmod(0o644)


def _without_key(settings: CloudSettings) -> None:
    authority = certificate_authority(settings)
    authority.make()
    authority.key_path.unlink()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_expired, "ca.pem was valid until"),
        (_readable, "ca.key has mode 0644; others may read it: chmod 600"),
        (_without_key, "ca.key: No such file"),
    ],
)
def test_an_authority_that_is_not_usable_is_a_fault_before_the_start(
    tmp_path: Path, damage: Callable[[CloudSettings], None], sentence: str
) -> None:
    settings = CloudSettings(
        data=tmp_path, api=ApiSettings(port=0), hub=HubSettings(advertised_host="hub.example")
    )
    damage(settings)
    faults = [one.detail for one in start_checks(settings) if not one.ok]
    assert len(faults) == 1
    assert sentence in faults[0]


@pytest.fixture
def own(tmp_path: Path) -> CloudSettings:
    """Certificate, key and authority of the deployment's own, for api.example."""
    theirs = CertificateAuthority(tmp_path / "theirs", clock=time.time, days=90.0)
    keyed = read_keyed(theirs.server(["api.example"]))
    files = {name: tmp_path / name for name in ("certificate", "key", "ca")}
    files["certificate"].write_bytes(keyed.certificate.pem)
    files["key"].write_bytes(keyed.key_pem)
    files["key"].chmod(0o600)
    shutil.copy(theirs.path, files["ca"])
    tls = TlsSettings(names=("api.example",), **files)
    return CloudSettings(data=tmp_path / "data", api=ApiSettings(host="0.0.0.0", port=0), tls=tls)


def _for_another_host(settings: CloudSettings) -> CloudSettings:
    tls = settings.tls.model_copy(update={"names": ("api.invalid",)})
    return settings.model_copy(update={"tls": tls})


def _of_another_authority(settings: CloudSettings) -> CloudSettings:
    other = CertificateAuthority(settings.data / "other", clock=time.time, days=90.0)
    other.make()
    return settings.model_copy(update={"tls": settings.tls.model_copy(update={"ca": other.path})})


def _with_a_readable_key(settings: CloudSettings) -> CloudSettings:
    assert settings.tls.key is not None
    settings.tls.key.chmod(0o640)
    return settings


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_for_another_host, "verified for api.invalid with .*ca: its certificate is not for the host"),
        (_of_another_authority, "its certificate is of another authority"),
        (_with_a_readable_key, "key has mode 0640; others may read it: chmod 600"),
    ],
)
def test_a_certificate_of_the_deployments_own_is_checked_as_its_clients_will(
    own: CloudSettings, change: Callable[[CloudSettings], CloudSettings], sentence: str
) -> None:
    assert [one.detail for one in start_checks(own) if not one.ok] == []
    faults = [one for one in start_checks(change(own)) if not one.ok]
    assert [one.name for one in faults] == ["tls.certificate"]
    assert re.search(sentence, faults[0].detail), faults[0].detail


def test_the_deployments_own_certificate_is_served_and_the_clients_of_the_hub_stay_ours(
    own: CloudSettings,
) -> None:
    found = server_certificate(own)
    assert (found.certificate, found.key, found.ca) == own.tls.files
    assert found.local_name == "api.example"
    assert not certificate_authority(own).path.exists()


def test_a_certificate_that_was_replaced_is_served_without_a_restart(tmp_path: Path) -> None:
    settings = CloudSettings(data=tmp_path, tls=TlsSettings(on_loopback=True))
    context, reloads = api_context(settings), []
    assert context is not None
    renewal = CertificateRenewal(settings, lambda: reloads.append(1), context)
    renewal.step()
    assert reloads == []
    path = server_certificate(settings).certificate
    old = CertificateAuthority(tmp_path / "certificates", clock=lambda: time.time() - 40 * DAY_S, days=90.0)
    path.unlink()
    old.server([])
    renewal.step()
    assert reloads == [1]
    assert read_keyed(path).certificate.not_before_utc > time.time() - DAY_S


def test_init_for_other_machines_makes_the_authority_and_a_configuration_with_its_names(
    tmp_path: Path,
) -> None:
    done = CliRunner().invoke(app, ["init", str(tmp_path), "--host", "hub.example", "--host", "10.0.0.5"])
    assert done.exit_code == 0, done.output
    settings = load_settings(CloudSettings, tmp_path / "cloud.yaml", {})
    assert (settings.hub_encrypted, settings.host_names) == (True, ("hub.example", "10.0.0.5"))
    assert certificate_authority(settings).path.exists()
    assert settings.hub.port == 4222


def test_init_refuses_what_is_no_host_name_and_writes_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["init", str(tmp_path), "--host", "https://hub.example"])
    assert isinstance(done.exception, ConfigurationError)
    assert list(tmp_path.iterdir()) == []
