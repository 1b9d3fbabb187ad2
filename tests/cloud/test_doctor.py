"""The doctor opens everything that the configuration names; the cloud needs most of it to start."""

import asyncio
import json
import os
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.api.auth import read_or_make_token
from cloud.api.client import RemoteCloud
from cloud.app import run_cloud
from cloud.doctor import examine, start_checks
from cloud.fleet.hub import hub_authority
from cloud.network_settings import ApiSettings
from cloud.server_certificate import certificate_authority
from cloud.settings import CloudSettings, StoreSettings, SynthesisSettings
from cloud.store.database import open_database
from messaging.access_resources import AuditResource
from messaging.errors import StartRefused
from messaging.resources import ReadinessResource
from messaging.runtime.start_checks import require
from messaging.trust.signing import Repository
from tests.support.cloud.running_cloud import running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.command_line import blindspot


def _faults(settings: CloudSettings) -> dict[str, str]:
    return {one.name: one.detail for one in examine(settings) if not one.ok}


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _foreign(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"this belongs to another program " * 300)


def _elsewhere(path: Path) -> None:
    path.write_text('{"url": "http://127.0.0.1:1"}')


def _readable(path: Path) -> None:
    path.chmod(0o644)


def _from_the_future(path: Path) -> None:
    os.utime(path, (4e9, 4e9))


def _sample(client: RemoteCloud, name: str) -> float:
    """The value of a metric without labels."""
    lines = client.text("/metrics").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


@pytest.fixture
def settings(tmp_path: Path) -> CloudSettings:
    """A data folder that a cloud has used, which does not run now."""
    settings = CloudSettings(data=tmp_path / "data", api=ApiSettings(port=0))
    open_database(settings.store_url).close()
    Repository(settings.folder.releases)
    read_or_make_token(settings.folder.token)
    hub_authority(settings).enrol_cloud()
    return settings


def test_a_folder_that_was_used_and_one_that_was_not_are_fine(
    tmp_path: Path, settings: CloudSettings
) -> None:
    assert _faults(settings) == {}
    assert _faults(CloudSettings(data=tmp_path / "new", api=ApiSettings(port=0))) == {}
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "damage", "check", "sentence"),
    [
        ("store.sqlite", _emptied, "store", "is empty (0 bytes)"),
        ("store.sqlite", _foreign, "store", "not a database"),
        ("workflows.sqlite", _foreign, "workflows", "not a database"),
        ("token", _emptied, "token", "holds no token"),
        ("token", _readable, "token", "has mode 0644"),
        ("api.json", _emptied, "cloud", "is empty"),
        ("api.json", _elsewhere, "cloud", "does not answer"),
        ("releases/metadata/timestamp.json", _emptied, "releases", "lost or damaged"),
        ("releases/keys/director.pem", Path.unlink, "releases", "restore it from a backup"),
        ("hub/authority/operator.seed", _emptied, "hub key operator.seed", "is empty"),
        ("hub/authority/cloud/hub.creds", _readable, "hub key cloud/hub.creds", "has mode 0644"),
        ("token", _from_the_future, "clock", "set the clock"),
        ("datasets/base/0f/dataset.json", _foreign, "datasets", "dataset.json"),
    ],
)
def test_a_fault_is_one_line_with_the_file_and_the_remedy(
    settings: CloudSettings, name: str, damage: Callable[[Path], object], check: str, sentence: str
) -> None:
    damage(settings.data / name)
    faults = _faults(settings)
    assert list(faults) == [check]
    assert sentence in faults[check]
    assert "\n" not in faults[check]


@pytest.mark.parametrize(
    ("changes", "check", "sentence"),
    [
        ({"store": StoreSettings(url="postgresql://u:s3cret@127.0.0.1:1/n")}, "store", "u:***@"),
        ({"store": StoreSettings(url="postgresql://u:s3cret@db/n")}, "store", "is on another machine (db)"),
        ({"starting_weights": Path("absent")}, "starting detector", "there is no weights file absent"),
        (
            {"synthesis": SynthesisSettings(reference_weights=Path(__file__))},
            "reference detector",
            "is not a safetensors file",
        ),
        ({"synthesis": SynthesisSettings(generator="/absent")}, "generator", "/absent does not exist"),
        ({"data": Path("/proc/no")}, "data folder", "/proc: "),
        ({"api": ApiSettings(host="203.0.113.7", port=0)}, "api", "choose an address of this machine"),
    ],
)
def test_what_the_configuration_names_is_opened(
    settings: CloudSettings, changes: dict[str, object], check: str, sentence: str
) -> None:
    changed = settings.model_copy(update=changes)
    assert sentence in _faults(changed)[check]
    required = {one.name for one in start_checks(changed)}
    assert (check in required) == (check not in ("starting detector", "reference detector", "generator"))
    if check in required:
        with pytest.raises(StartRefused, match=f"^{check}: "):
            require(one for one in start_checks(changed) if one.name == check)


def test_a_generator_that_is_away_does_not_keep_the_cloud_from_receiving_reports(
    settings: CloudSettings, caplog: pytest.LogCaptureFixture
) -> None:
    changed = settings.model_copy(update={"synthesis": SynthesisSettings(generator="/absent")})
    with running_cloud(changed, lambda _: ScriptedStages()) as cloud, cloud.client() as client:
        assert client.get("/readyz", ReadinessResource).ready
    assert "generator: generator folder /absent does not exist" in caplog.text


def test_a_cloud_whose_secrets_others_may_read_logs_counts_and_audits_them_once_and_runs(
    settings: CloudSettings, caplog: pytest.LogCaptureFixture
) -> None:
    token = settings.folder.token
    authority = certificate_authority(settings)
    authority.make()
    secrets = {"token": token, "server certificate": authority.server(["localhost"])}
    for path in secrets.values():
        path.chmod(0o640)
    sentences = [
        f"{name}: {path} has mode 0640; others may read it: chmod 600 {path}"
        for name, path in secrets.items()
    ]
    with running_cloud(settings, lambda _: ScriptedStages()) as cloud, cloud.client() as client:
        assert client.get("/readyz", ReadinessResource).ready
        assert _sample(client, "blindspot_cloud_secrets_readable_by_others") == 2.0
    logged = [one.getMessage() for one in caplog.records if "others may read" in one.getMessage()]
    assert logged == sentences
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    secrets["server certificate"].chmod(0o600)
    with running_cloud(settings, lambda _: ScriptedStages()) as cloud, cloud.client() as client:
        assert _sample(client, "blindspot_cloud_secrets_readable_by_others") == 0.0
        entries = client.page("audit", AuditResource, user="the cloud")
    entry = next(one for one in entries if one.object == "data folder")
    assert [one.object for one in entries].count("data folder") == 1
    assert (entry.action, entry.status) == ("start with secrets that others may read", 200)
    assert entry.after == {"secrets": sentences}


def test_a_cloud_whose_hub_keys_others_may_read_does_not_start(settings: CloudSettings) -> None:
    key = settings.data / "hub" / "authority" / "operator.seed"
    key.chmod(0o640)
    sentence = f"hub key operator.seed: {key} has mode 0640; others may read it: chmod 600 {key}"
    with pytest.raises(StartRefused, match=f"^{re.escape(sentence)}$"):
        asyncio.run(run_cloud(settings, asyncio.Event()))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_another_program_has_is_named(settings: CloudSettings, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as other:
        port = other.getsockname()[1]
        faults = _faults(settings.model_copy(update={"api": ApiSettings(host=host, port=port)}))
    assert f"{host}:{port}: Address already in use; choose another port" in faults["api"]


def test_a_running_cloud_is_asked_with_its_token_and_keeps_its_ports(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = CloudSettings(data=tmp_path, api=ApiSettings(host="127.0.0.1", port=port))
    with running_cloud(settings, lambda _: ScriptedStages()):
        assert _faults(settings) == {}
        names = [one.name for one in examine(settings)]
        settings.folder.token.write_text("A" * 43)
        assert "bearer token" in _faults(settings)["cloud"]
    assert names[-1] == "cloud"
    assert "api" not in names


def test_a_cloud_on_an_ipv6_address_writes_an_address_that_answers(tmp_path: Path) -> None:
    settings = CloudSettings(data=tmp_path, api=ApiSettings(host="::1", port=0))
    with running_cloud(settings, lambda _: ScriptedStages()) as up, up.client() as client:
        assert client.url.startswith("http://[::1]:")
        assert _faults(settings) == {}


def test_the_command_ends_with_3_and_a_line_for_each_fault(
    settings: CloudSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _emptied(settings.folder.store)
    _emptied(settings.folder.token)
    monkeypatch.setenv("BLINDSPOT__API__PORT", "0")  # any port
    done = blindspot("doctor", "--data", settings.data)
    as_json = blindspot("doctor", "--data", settings.data, "--json")
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAULT")]
    assert (done.returncode, len(lines)) == (3, 2), done.stdout
    assert [name for name, one in json.loads(as_json.stdout).items() if not one["ok"]] == ["store", "token"]


def test_a_configuration_with_a_mistake_is_a_finding_too(tmp_path: Path) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text("dta: x\n")
    done = blindspot("doctor", "--config", path)
    assert (done.returncode, "FAULT  configuration: " in done.stdout) == (3, True)
