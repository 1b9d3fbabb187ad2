"""The cloud's store: one database, opened, migrated, and cut into repositories by subject.

SQLite in WAL mode by default, PostgreSQL by URL. Readers use snapshots; writers take the write lock when
they begin, so that no transaction fails half-way for want of it. Repositories return frozen records.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite

from cloud.errors import StoreUnavailable

MIGRATIONS = Path(__file__).parents[1] / "migrations"
BUSY_TIMEOUT_MS = 30_000

Clock = Callable[[], float]


class Database:
    """An engine with the two ways into it. Safe to share between threads."""

    def __init__(self, engine: Engine, clock: Clock = time.time) -> None:
        self.engine = engine
        self._clock = clock

    def now(self) -> int:
        """Whole seconds since 1970."""
        return int(self._clock())

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only look at one moment."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its first moment; commits on a clean exit."""
        with self.engine.connect() as connection:
            connection = connection.execution_options(blindspot_writes=True)
            with connection.begin():
                yield connection

    def insert(self, table: Table) -> Any:
        """An INSERT of the database's own dialect, which knows ON CONFLICT."""
        if self.engine.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def open_database(url: str, clock: Clock = time.time) -> Database:
    """Connect and migrate to the newest schema. Raises `StoreUnavailable`."""
    engine = create_engine(url, connect_args=_connect_args(url))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        migrate(engine)
    except Exception as error:  # any driver's error becomes one sentence of ours
        engine.dispose()
        cause = str(getattr(error, "orig", error))[:120]
        raise StoreUnavailable(
            f"store {engine.url.render_as_string(hide_password=True)} cannot be opened or migrated "
            f"({cause}); check the path, its permissions and the disk"
        ) from error
    return Database(engine, clock)


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}"


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest migration; a no-op when it is there."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect().execution_options(blindspot_writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _connect_args(url: str) -> dict[str, Any]:
    return {"timeout": BUSY_TIMEOUT_MS / 1000} if url.startswith("sqlite") else {}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("blindspot_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
