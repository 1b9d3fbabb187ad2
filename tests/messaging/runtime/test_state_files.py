"""State files: replaced whole, validated when read, and never believed when they are empty or foreign."""

import logging
from pathlib import Path

import pytest
from pydantic import BaseModel

from messaging.errors import StateFileBroken
from messaging.runtime.state_files import PatientFile, StateFile


class Budget(BaseModel):
    spent: float
    day: str


@pytest.fixture
def state(tmp_path: Path) -> StateFile[Budget]:
    return StateFile(tmp_path / "budget.json", Budget)


def test_no_file_is_no_state_and_a_written_state_is_read_back(state: StateFile[Budget]) -> None:
    assert state.read() is None
    state.write(Budget(spent=0.5, day="2026-11-26"))
    assert state.read() == Budget(spent=0.5, day="2026-11-26")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty; restore it from a backup or remove it"),
        (b"\0" * 40, "is empty"),
        (b'{"spent": 0.5, "da', "is damaged"),
        (b'{"spent": "much", "day": "x"}', r"is damaged \(spent: "),
        (b"[]", "is damaged"),
        (b"\xff\xfe{", "is damaged"),
    ],
)
def test_a_damaged_state_is_refused_and_stays_where_it_is(
    state: StateFile[Budget], data: bytes, sentence: str
) -> None:
    state.path.write_bytes(data)
    with pytest.raises(StateFileBroken, match=sentence):
        state.read()
    assert state.path.read_bytes() == data


def test_content_waits_until_the_disk_takes_it_and_the_newest_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now, folder = [0.0], tmp_path / "state"
    folder.write_text("a file where the folder belongs")
    file = PatientFile(folder / "x.json", "the list", clock=lambda: now[0])
    with caplog.at_level(logging.INFO):
        file.write(b"old")
        for _ in range(20):
            now[0] += 60.0
            file.write(b"newer")
        folder.unlink()
        file.retry()
        assert not file.written
        now[0] += 60.0
        file.retry()
    assert (file.written, (folder / "x.json").read_bytes()) == (True, b"newer")
    waits, back = (record.getMessage() for record in caplog.records)
    assert "the list waits in memory and would be lost by a crash" in waits
    assert back == f"the list is on disk again: {folder / 'x.json'}"
    assert not any(record.exc_info for record in caplog.records)


def test_nothing_is_written_when_nothing_waits(tmp_path: Path) -> None:
    PatientFile(tmp_path / "x.json", "the list").retry()
    assert not list(tmp_path.iterdir())
