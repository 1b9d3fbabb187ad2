"""`blindspot keys`: the ceremony's commands one by one, and what refuses to go on."""

import stat
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cloud.cli.main import app
from cloud.settings import DataFolder
from messaging.errors import ConfigurationError
from messaging.trust.signing import Repository


def keys(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["keys", *map(str, arguments)])


def sentence(done: Result) -> str:
    assert isinstance(done.exception, ConfigurationError)
    return str(done.exception)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    Repository(DataFolder(tmp_path / "data").releases)
    return tmp_path / "data"


def test_the_root_is_moved_renewed_and_a_stolen_key_rotated(tmp_path: Path, data: Path) -> None:
    media, proposal = [tmp_path / name / "root.pem" for name in "ABC"], tmp_path / "root.json"
    public = [option for medium in media for option in ("--root", f"{medium}.pub")]
    assert "the root keys are here" in keys("show", "--data", data).stderr
    for medium in media:
        assert keys("root", "make", medium).exit_code == 0
    assert {stat.S_IMODE(medium.stat().st_mode) for medium in media} == {0o600}
    assert keys("root", "propose", proposal, *public, "--data", data).exit_code == 0
    assert "more signatures" in sentence(keys("root", "accept", proposal, "--data", data))
    for medium in media[:2]:
        assert "signed by" in keys("root", "sign", proposal, "--key", medium).stderr
    assert "the root keys are elsewhere" in keys("root", "accept", proposal, "--data", data).stderr
    assert "version 2 are needed" in sentence(keys("rotate", "targets", "--data", data))
    before = (DataFolder(data).releases / "keys" / "targets.pem").read_bytes()
    assert keys("root", "propose", proposal, "--rotate", "targets", "--data", data).exit_code == 0
    for medium in media[1:]:
        keys("root", "sign", proposal, "--key", medium)
    assert keys("root", "accept", proposal, "--data", data).exit_code == 0
    assert (DataFolder(data).releases / "keys" / "targets.pem").read_bytes() != before


def test_a_key_that_exists_is_never_made_again(tmp_path: Path) -> None:
    keys("root", "make", tmp_path / "root.pem")
    before = (tmp_path / "root.pem").read_bytes()
    assert "exists already" in sentence(keys("root", "make", tmp_path / "root.pem"))
    assert (tmp_path / "root.pem").read_bytes() == before
