"""One list, told to people and to programs."""

import json
from collections.abc import Sequence

import pytest
from pydantic import BaseModel

from cloud.console import show_list


class Lamp(BaseModel):
    name: str
    lit: bool


LAMPS = (Lamp(name="quay", lit=True), Lamp(name="mole", lit=False))


def _show(found: Sequence[Lamp], *, as_json: bool) -> None:
    show_list(
        found,
        as_json,
        title="Lamps",
        columns=("lamp", "lit"),
        row=lambda lamp: (lamp.name, lamp.lit),
        empty="No lamp yet.",
    )


def test_programs_get_the_whole_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    _show(LAMPS, as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"name": "quay", "lit": True},
        {"name": "mole", "lit": False},
    ]
    _show((), as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_people_get_a_row_each_or_what_would_fill_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    _show(LAMPS, as_json=False)
    told = capsys.readouterr().out
    assert "quay" in told
    assert "no" in told
    _show((), as_json=False)
    assert capsys.readouterr().err.strip() == "No lamp yet."
