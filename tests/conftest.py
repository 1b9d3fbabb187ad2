"""Servers that several test modules share, started when the first test needs them."""

from collections.abc import Iterator

import hypothesis
import pytest

from tests.support.cloud.postgres import PostgresServer, find_programs, running_postgres

# A generated example may take any time: the machine does other work.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A private PostgreSQL server; the test is skipped where PostgreSQL is not installed."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; `apt-get install postgresql` runs this test too")
    with running_postgres(programs) as server:
        yield server
