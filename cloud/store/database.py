"""The cloud's database: opened, migrated, and entered through read-only or writing sessions.

SQLite in WAL mode by default, PostgreSQL by URL. Readers use snapshots; writers take the write lock when
they begin, so that no transaction fails half-way for want of it. Records outlive the session that read them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import ColumnElement, Connection, CursorResult, Engine, Executable, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cloud.errors import StoreUnavailable
from cloud.store.mapping import Record

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
    def reading(self) -> Iterator[Session]:
        """A session that reads one snapshot."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that holds the write lock from its first statement; commits on a clean exit."""
        with (
            self.engine.connect().execution_options(blindspot_writes=True) as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def add(self, session: Session, record: Record) -> bool:
        """Insert a record; False if its key is in the table already, which leaves the row as it is."""
        return written(session, self.insert(record).on_conflict_do_nothing()) > 0

    def put(
        self,
        session: Session,
        record: Record,
        *,
        key: Sequence[str],
        only_if: ColumnElement[bool] | None = None,
    ) -> bool:
        """Insert a record, or replace the row with the same `key` columns if it satisfies `only_if`."""
        statement = self.insert(record).on_conflict_do_update(
            index_elements=key, set_=record.values(), where=only_if
        )
        return written(session, statement) > 0

    def insert(self, record: Record) -> Any:
        """An INSERT of a record in the database's own dialect, which has ON CONFLICT."""
        dialect = postgresql if self.engine.dialect.name == "postgresql" else sqlite
        return dialect.insert(type(record)).values(record.values())

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def written(session: Session, statement: Executable) -> int:
    """Execute a statement that writes; the number of rows it wrote."""
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


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
    """Bring the schema to the newest migration; does nothing when it is there."""
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
