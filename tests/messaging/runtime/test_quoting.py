"""A path keeps its meaning in the syntax of other programs."""

import configparser
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from messaging.nats.broker import find_server
from messaging.runtime.quoting import (
    ini_value,
    nats_string,
    sqlite_file,
    sqlite_url,
    url_segment,
)
from tests.support.waiting import wait_until

NAMES = ["a?x=1", "d[north]", "50%", "a b#c", "ünï", "q'uo\"te", "*"]


@pytest.mark.parametrize("name", NAMES)
def test_a_database_is_made_where_its_path_says(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with create_engine(sqlite_url(folder / "store.sqlite")).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    assert [path.name for path in folder.iterdir()] == ["store.sqlite"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", [*NAMES, "two\nlines"])
def test_the_file_of_a_url_is_found_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "store.sqlite"
    assert sqlite_file(sqlite_url(path)) == path
    assert sqlite_file("sqlite:///relative.sqlite") == Path("relative.sqlite")


@pytest.mark.parametrize("url", ["postgresql://u:p@h/n", "sqlite://", "sqlite:///", ""])
def test_a_url_without_a_file_names_none(url: str) -> None:
    assert sqlite_file(url) is None


@pytest.mark.parametrize("name", [*NAMES, "two\nlines", "bell\x07", "a\\b", "$x", "{y}", "tab\tin"])
def test_a_broker_keeps_its_store_where_the_configuration_says(tmp_path: Path, name: str) -> None:
    folder, config = tmp_path / name, tmp_path / "server.conf"
    config.write_text(f"listen: 127.0.0.1:-1\njetstream {{\n  store_dir: {nats_string(str(folder))}\n}}\n")
    server = subprocess.Popen([find_server(), "-c", config], stderr=subprocess.DEVNULL)
    try:
        wait_until((folder / "jetstream").is_dir)
    finally:
        server.terminate()
        server.wait(60)


def test_a_percent_sign_begins_no_reference() -> None:
    parser = configparser.ConfigParser()
    parser.read_dict({"alembic": {"script_location": ini_value("/a%(b)s/50%")}})
    assert parser.get("alembic", "script_location") == "/a%(b)s/50%"


def test_a_name_stays_one_segment_of_a_url() -> None:
    assert url_segment("a/../b?c=1#d%") == "a%2F..%2Fb%3Fc%3D1%23d%25"
