"""The cloud's database: opened, migrated, and entered through read-only or writing sessions.

SQLite in WAL mode by default, PostgreSQL by URL. Readers use snapshots; writers take the write lock when
they begin, so that no transaction fails half-way for want of it. Records outlive the session that read them.
A server on another machine is reached by TLS 1.3, and verified, or not at all.
Errors of the connection become `StoreUnavailable`; a password is never part of a message.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Executable,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from cloud import dry_runs
from cloud.errors import StoreUnavailable
from cloud.store.mapping import Record
from messaging.runtime.addresses import is_loopback
from messaging.runtime.os_errors import disk_is_full
from messaging.runtime.quoting import ini_value, sqlite_file, sqlite_url

MIGRATIONS = Path(__file__).parents[1] / "migrations"
BUSY_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 10
WRITE_LOCK = 0x626C696E64  # of PostgreSQL's advisory locks, which are numbers
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg"}
FORMS = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME"
VERIFIED = frozenset({"verify-full", "verify-ca"})  # the values of `sslmode` that verify the server
_SECRETS_IN_QUERY = ("password", "sslpassword")

Clock = Callable[[], float]


class Database:
    """An engine with the two ways into it. Safe to share between threads."""

    def __init__(self, engine: Engine, clock: Clock = time.time) -> None:
        self.engine = engine
        self._clock = clock
        self._snapshots = (
            engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            if engine.dialect.name == "postgresql"
            else engine
        )

    @property
    def place(self) -> str:
        """Its file, or its URL without the password."""
        return _place(self.engine.url)

    def now(self) -> int:
        """Whole seconds since 1970."""
        return int(self._clock())

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that reads one snapshot. Raises `StoreUnavailable`."""
        with _translated(self.engine.url), Session(self._snapshots, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that holds the write lock from its first statement; commits on a clean exit.

        In a dry run it is rolled back, and `DryRunEnded` is raised, once it has changed a row.
        Raises `StoreUnavailable`, also when another writer holds the lock for `BUSY_TIMEOUT_S`.
        """
        with (
            _translated(self.engine.url),
            self.engine.connect().execution_options(blindspot_writes=True) as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            if not dry_runs.active():
                yield session
                return
            changed = _changed_rows(connection)
            yield session
            session.flush()
            if any(changed):
                dry_runs.before_change()

    def add(self, session: Session, record: Record) -> bool:
        """Insert a record; False if its key is in the table already, which leaves the row as it is."""
        statement = self.insert(type(record)).on_conflict_do_nothing()
        return written(session, statement, record.values()) > 0

    def add_all(self, session: Session, records: Sequence[Record]) -> None:
        """Insert records of one kind; those whose key is in the table already are left out."""
        if records:
            statement = self.insert(type(records[0])).on_conflict_do_nothing()
            session.execute(statement, [record.values() for record in records])

    def put_all(
        self,
        session: Session,
        records: Sequence[Record],
        *,
        key: Sequence[str],
        only_if: Callable[[Any], ColumnElement[bool]],
    ) -> int:
        """`put` for records of one kind; `only_if` gets the columns of the new row. The number written."""
        if not records:
            return 0
        statement = self.insert(type(records[0]))
        rows = [record.values() for record in records]
        excluded = {name: statement.excluded[name] for name in rows[0]}
        statement = statement.on_conflict_do_update(
            index_elements=key, set_=excluded, where=only_if(statement.excluded)
        )
        return written(session, statement, rows)

    def put(
        self,
        session: Session,
        record: Record,
        *,
        key: Sequence[str],
        only_if: ColumnElement[bool] | None = None,
    ) -> bool:
        """Insert a record, or replace the row with the same `key` columns if it satisfies `only_if`."""
        statement, values = self.insert(type(record)), record.values()
        excluded = {name: statement.excluded[name] for name in values}
        statement = statement.on_conflict_do_update(index_elements=key, set_=excluded, where=only_if)
        return written(session, statement, values) > 0

    def insert(self, record: type[Record]) -> Any:
        """An INSERT with ON CONFLICT in the database's own dialect; `Record.values` are its parameters."""
        dialect = postgresql if self.engine.dialect.name == "postgresql" else sqlite
        return dialect.insert(record.__table__)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def written(
    session: Session,
    statement: Executable,
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
) -> int:
    """Execute a statement that writes; the number of rows it wrote."""
    result = session.execute(statement, values, execution_options={"preserve_rowcount": True})
    assert isinstance(result, CursorResult)
    return result.rowcount


def open_database(url: str, clock: Clock = time.time) -> Database:
    """Connect and migrate to the newest schema. Raises `StoreUnavailable`."""
    engine = _engine(_parsed(url))
    try:
        if (file := sqlite_file(url)) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            refuse_emptied(file)
        _refuse_later_schema(engine)
        migrate(engine)
    except StoreUnavailable:
        engine.dispose()
        raise
    except Exception as error:  # any driver's error becomes one sentence of ours
        engine.dispose()
        raise StoreUnavailable(_sentence(engine.url, "cannot be opened or migrated", error)) from error
    return Database(engine, clock)


def inspected_database(url: str) -> str:
    """Its place and schema, for the doctor; changes nothing. Raises `StoreUnavailable`."""
    file, parsed = sqlite_file(url), _parsed(url)
    if file is not None and not file.exists():
        return f"{file} is made at the first start"
    engine = _engine(parsed) if file is None else create_engine(parsed)
    try:
        if file is not None:
            refuse_emptied(file)
        found = _refuse_later_schema(engine) or "none yet"
        return f"{_place(engine.url)}, schema {found} (newest: {_scripts().get_current_head()})"
    except StoreUnavailable:
        raise
    except Exception as error:  # any driver's error becomes one sentence of ours
        raise StoreUnavailable(_sentence(engine.url, "cannot be opened", error)) from error
    finally:
        engine.dispose()


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest migration; does nothing when it is there."""
    config = _migrations()
    with engine.connect().execution_options(blindspot_writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def refuse_emptied(file: Path) -> None:
    """Raise `StoreUnavailable` for a database file of 0 bytes, which SQLite takes for a new database."""
    if file.exists() and file.stat().st_size == 0:
        raise StoreUnavailable(
            f"database {file} is empty (0 bytes); restore it from a backup, or remove it to begin again"
        )


def _refuse_later_schema(engine: Engine) -> str | None:
    """The revision of the schema, None for a new database. Raises `StoreUnavailable` for an unknown one."""
    with engine.connect() as connection, connection.begin():
        found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in _scripts().walk_revisions()}
    if found is not None and found not in known:
        raise StoreUnavailable(
            f"store {_place(engine.url)} has schema {found[:40]!r} of another version of Blindspot; run that "
            "version, or name another store in store.url"
        )
    return found


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", ini_value(str(MIGRATIONS)))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_migrations())


def _parsed(text: str) -> URL:
    """The URL with the driver that we use. The text is in no message: it may hold a password."""
    file = sqlite_file(text)
    try:
        url = make_url(text if file is None else sqlite_url(file))
    except (ArgumentError, ValueError):
        raise StoreUnavailable(f"store.url is not the URL of a database; write {FORMS}") from None
    if url.drivername not in DRIVERS or (file is None and url.get_backend_name() == "sqlite"):
        raise StoreUnavailable(f"store.url names the database {url.drivername[:40]!r}; write {FORMS}")
    return url.set(drivername=DRIVERS[url.drivername])


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "options": f"-c lock_timeout={BUSY_TIMEOUT_S}s"}
    try:
        engine = create_engine(url, connect_args={**arguments, **_tls_arguments(url)}, pool_pre_ping=True)
    except ArgumentError:
        raise StoreUnavailable(f"store.url is not the URL of a database; write {FORMS}") from None
    except ModuleNotFoundError:
        raise StoreUnavailable(
            "store.url names a PostgreSQL database and its driver is not installed; "
            "install blindspot[cloud,postgres]"
        ) from None
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _tls_arguments(url: URL) -> dict[str, str]:
    """What the driver is given beside the URL for a server on another machine: TLS 1.3, no other encryption.

    Raises `StoreUnavailable` unless the URL asks for a verified server.
    """
    dialect = url.get_dialect()
    found = dialect.import_dbapi().pq.Conninfo.get_defaults()  # of the environment too: PGHOST, PGSERVICE
    defaults = {one.keyword.decode(): (one.val or b"").decode() for one in found}
    given = dialect().create_connect_args(url)[1]
    others = _other_machines({**defaults, **given})
    if not others:
        return {}
    if given.get("sslmode") not in VERIFIED:
        raise StoreUnavailable(
            f"store {_place(url)} is on another machine ({', '.join(others)}) and would be reached without "
            "verifying it; add ?sslmode=verify-full&sslrootcert=FILE to store.url, where FILE is the "
            "certificate of the authority that signed the server's"
        )
    least = given.get("ssl_min_protocol_version", "TLSv1.3")
    return {"ssl_min_protocol_version": least, "gssencmode": "disable"}


def _other_machines(parameters: Mapping[str, Any]) -> list[str]:
    """What is not this machine among the hosts of a connection; a file of services may name any."""
    hosts = f"{parameters.get('host', '')},{parameters.get('hostaddr', '')}".split(",")
    others = [host for host in hosts if host and host[0] not in "/@" and not is_loopback(host)]
    return [*others, *(f"its {key}" for key in ("service", "conninfo") if parameters.get(key))]


@contextmanager
def _translated(url: URL) -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise StoreUnavailable(_sentence(url, "does not respond", error)) from error
    except DatabaseError as error:
        if type(error) is not DatabaseError:  # its subclasses are mistakes of a statement
            raise
        raise StoreUnavailable(_sentence(url, "is damaged", error)) from error


def _place(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.difference_update_query(_SECRETS_IN_QUERY).render_as_string(hide_password=True)


def _sentence(url: URL, what: str, error: Exception) -> str:
    cause = " ".join(str(getattr(error, "orig", error)).split())
    for secret in (url.password, *(url.query.get(name) for name in _SECRETS_IN_QUERY)):
        if isinstance(secret, str) and secret:
            cause = cause.replace(secret, "***")
    remedy = (
        "free space on its disk"
        if disk_is_full(error)
        else "check the path, its permissions and the disk"
        if url.get_backend_name() == "sqlite"
        else "check sslrootcert in store.url, and the server's certificate and the names in it"
        if any(word in cause for word in ("certificate", "SSL"))
        else "check that the database runs, and the user, password and name in store.url"
    )
    return f"store {_place(url)} {what} ({cause[:200]}); {remedy}"


def _changed_rows(connection: Connection) -> list[int]:
    """A list that gets the number of rows of every statement that changes some."""
    numbers: list[int] = []

    def count(
        _connection: object, cursor: Any, _text: object, _values: object, context: Any, _: bool
    ) -> None:
        if context.isinsert or context.isupdate or context.isdelete:
            numbers.append(cursor.rowcount)

    event.listen(connection, "after_cursor_execute", count)
    return numbers


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    if _writes(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("blindspot_writes", False))
