"""Opening a database: what cannot be opened is one sentence, and no sentence holds a password."""

import shutil
import sqlite3
import traceback
from pathlib import Path

import pytest

from cloud.errors import StoreUnavailable
from cloud.store.database import inspected_database, open_database
from cloud.store.mode_store import ModeStore
from messaging.runtime.quoting import sqlite_url
from tests.support.cloud.postgres import (
    PASSWORD,
    PASSWORD_IN_URL,
    PostgresServer,
    find_programs,
    running_postgres,
)


def refusal(url: str) -> str:
    """The sentence with which a URL is refused, and all that a traceback prints with it."""
    with pytest.raises(StoreUnavailable) as caught:
        open_database(url)
    printed = "".join(traceback.format_exception(caught.value))
    assert not any(secret in printed for secret in ("s3cret", PASSWORD, PASSWORD_IN_URL))
    return str(caught.value)


def test_a_file_that_is_no_database_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is no database, however long it may be" * 100)
    sentence = refusal(sqlite_url(path))
    assert str(path) in sentence
    assert "not a database); check the path" in sentence


def test_an_emptied_file_is_not_taken_for_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.touch()
    assert "is empty (0 bytes); restore it from a backup, or remove it" in refusal(sqlite_url(path))
    assert path.read_bytes() == b""


def test_a_database_of_a_later_version_is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    open_database(sqlite_url(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0042'")
    connection.close()
    assert f"{path} has schema '0042' of another version" in refusal(sqlite_url(path))
    with pytest.raises(StoreUnavailable, match="'0042'"):
        inspected_database(sqlite_url(path))


def test_a_database_that_is_cut_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    open_database(sqlite_url(path)).close()
    path.write_bytes(path.read_bytes()[:5000])
    assert str(path) in refusal(sqlite_url(path))


def test_a_page_that_is_damaged_during_the_work_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    database = open_database(sqlite_url(path))
    database.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(StoreUnavailable, match=r"is damaged \(database disk image is malformed"):
        ModeStore(database).states()


@pytest.mark.parametrize("name", ["a?x=1", "d[north]", "50%", "a b#c", "ünï", "q'uo\"te", "two\nlines"])
def test_a_database_is_made_where_its_path_says(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "store.sqlite"
    for url in (sqlite_url(path), f"sqlite:///{str(path).replace('%', '%25')}"):
        database = open_database(url)
        assert database.place == str(path)
        ModeStore(database).states()
        database.close()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert str(path) in inspected_database(sqlite_url(path))


def test_inspecting_makes_nothing(tmp_path: Path) -> None:
    assert "is made at the first start" in inspected_database(sqlite_url(tmp_path / "d" / "store.sqlite"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "check the path" in refusal(sqlite_url(tmp_path / "file" / "store.sqlite"))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "is not the URL of a database; write sqlite:///PATH or postgresql://"),
        ("s3cret", "is not the URL of a database"),
        ("postgresql://blindspot:s3cret/more@127.0.0.1:x/store", "is not the URL of a database"),
        ("mysql://blindspot:s3cret@127.0.0.1/store", "names the database 'mysql'"),
    ],
)
def test_a_wrong_url_is_refused_and_not_repeated(url: str, sentence: str) -> None:
    assert sentence in refusal(url)


def test_a_database_that_does_not_run_is_refused_with_its_address(postgres: PostgresServer) -> None:
    address = f"127.0.0.1:{postgres.port}"
    sentence = refusal(postgres.url("store").replace(address, "127.0.0.1:1"))
    assert "postgresql+psycopg://blindspot:***@127.0.0.1:1/store" in sentence
    assert "check that the database runs" in sentence


def test_a_wrong_password_is_refused(postgres: PostgresServer) -> None:
    sentence = refusal(postgres.url("postgres").replace(PASSWORD_IN_URL, "s3cret-but-wrong"))
    assert "password authentication failed" in sentence


def test_a_database_of_another_name_is_refused(postgres: PostgresServer) -> None:
    assert 'database "attic" does not exist' in refusal(postgres.url("attic"))


def test_a_database_that_stops_during_the_work_is_one_sentence(tmp_path: Path) -> None:
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; `apt-get install postgresql` runs this test too")
    with running_postgres(programs) as server:
        database = open_database(server.new_database())
        server.stop()
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="does not respond") as caught:
                ModeStore(database).states()
            assert "s3cret" not in "".join(traceback.format_exception(caught.value))
        database.close()


def test_a_sqlite_file_that_becomes_unreadable_is_one_sentence(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "data" / "store.sqlite"))
    database.close()
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(StoreUnavailable, match="does not respond"):
        ModeStore(database).states()
