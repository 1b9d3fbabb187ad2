"""State files: replaced whole, validated when read, and never believed when they are empty or foreign."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from messaging.errors import StateFileBroken
from messaging.runtime.state_files import StateFile


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
