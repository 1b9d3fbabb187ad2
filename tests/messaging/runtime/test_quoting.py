"""A path keeps its meaning in the syntax of other programs."""

import glob
import sqlite3
from pathlib import Path

import pytest

from messaging.runtime.quoting import glob_literal, nats_string, sqlite_url

NAMES = ["a?x=1", "d[north]", "50%", "a b#c", "ünï", "q'uo\"te", "*"]


@pytest.mark.parametrize("name", NAMES)
def test_a_database_is_made_where_its_path_says(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    url = sqlite_url(folder / "store.sqlite")
    sqlite3.connect(url.removeprefix("sqlite:///").removesuffix("?uri=true"), uri=True).execute(
        "CREATE TABLE t (x)"
    )
    assert [path.name for path in folder.iterdir()] == ["store.sqlite"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_literal_pattern_matches_only_its_path(tmp_path: Path, name: str) -> None:
    for one in [*NAMES, "anorth", "axx"]:
        (tmp_path / one).mkdir(exist_ok=True)
    assert glob.glob(glob_literal(tmp_path / name)) == [str(tmp_path / name)]


def test_a_line_break_cannot_enter_a_broker_configuration() -> None:
    assert nats_string('a"b\\c') == '"a\\"b\\\\c"'
    with pytest.raises(ValueError, match="line break"):
        nats_string("a\nport: 1")
