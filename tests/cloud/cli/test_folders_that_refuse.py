"""Commands on folders that refuse to be written: one sentence, exit code 1, nothing half-made."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.command_line import blindspot

NOBODY = 65534
WITHOUT_PRIVILEGE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")
COMMANDS = [
    ("init", "{place}"),
    ("db", "migrate", "--data", "{place}"),
    ("keys", "rotate", "targets", "--data", "{place}"),
    ("cloud", "run", "--data", "{place}"),
]


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder of another user, as a volume that was mounted with the wrong owner."""
    folder = tmp_path / "foreign"
    folder.mkdir(mode=0o555)
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("as root this needs setpriv, which takes the right to write everywhere away")
        os.chown(folder, NOBODY, NOBODY)
    return folder


def _no_room() -> None:
    """Every file of this process ends at 0 bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _blindspot(
    arguments: list[str], *, before: Sequence[str] = (), prepare: Callable[[], None] | None = None
) -> "subprocess.CompletedProcess[str]":
    unmeasured = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [*before, sys.executable, "-m", "cloud.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=unmeasured if prepare else None,  # measuring coverage needs a file that can be written
        preexec_fn=prepare,  # before exec in a process without threads of ours
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_folder_of_another_user_is_one_sentence(command: tuple[str, ...], foreign: Path) -> None:
    before = WITHOUT_PRIVILEGE if os.getuid() == 0 else ()
    done = _blindspot([part.format(place=foreign / "data") for part in command], before=before)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert str(foreign) in done.stderr
    assert "ermission denied" in done.stderr
    assert list(foreign.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_file_where_a_folder_is_expected_is_one_sentence(command: tuple[str, ...], tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("mine")
    done = blindspot(*(part.format(place=place / "data") for part in command))
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert place.read_text() == "mine"


def test_a_wrong_option_is_wrong_usage(tmp_path: Path) -> None:
    assert blindspot("init", tmp_path, "--nonsense").returncode == 2


def test_a_file_that_cannot_be_written_whole_is_not_left_behind(tmp_path: Path) -> None:
    done = _blindspot(["init", str(tmp_path / "new")], prepare=_no_room)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "new").iterdir()) == []
