"""Opening a database: what cannot be opened is one sentence, and no sentence holds a password."""

import shutil
import traceback
from pathlib import Path

import pytest

from cloud.errors import StoreUnavailable
from cloud.settings import sqlite_url
from cloud.store.database import open_database
from cloud.store.mode_store import ModeStore
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
