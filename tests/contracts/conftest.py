"""A store for the contract suites: SQLite, and a real PostgreSQL where it is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.store.database import Database, open_database
from messaging.runtime.quoting import sqlite_url
from tests.support.brokers import Hub, running_hub
from tests.support.cloud.postgres import PostgresServer
from tests.support.cloud.sample_reports import MINUTE


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "store.sqlite")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    database = open_database(store_url, clock=lambda: MINUTE)
    yield database
    database.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A real hub for the tests of one module."""
    with running_hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub
