"""DBOS's own database in the data folder: opened with sentences, and whose workflows this process recovers.

The store has the facts of finished stages, so nothing is lost when this database or the id of its executor
is made again: a campaign under way gets a new attempt, which continues after its last finished stage.
"""

import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dbos import DBOSConfig, DBOSPortableJSONSerializer
from ulid import ULID

from cloud.errors import StoreUnavailable
from cloud.settings import DataFolder
from messaging.errors import BlindspotError, FileFault
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.quoting import sqlite_url
from messaging.runtime.text_files import read_text

logger = logging.getLogger(__name__)

APPLICATION_VERSION = "campaign/1"
_EXECUTOR = re.compile(r"cloud-[0-9A-Z]{26}")


@contextmanager
def sentences_for(file: Path) -> Iterator[None]:
    """Errors of opening the database become `StoreUnavailable`."""
    try:
        yield
    except (BlindspotError, OSError):
        raise
    except Exception as error:  # DBOS has no common error for its database; all become one sentence of ours
        cause = " ".join(str(getattr(error, "orig", error)).split())[:200]
        raise StoreUnavailable(
            f"workflow database {file} cannot be opened ({cause}); restore it from a backup, or remove it: "
            "campaigns under way then continue after their last finished stage"
        ) from error


def prepare_database(file: Path) -> None:
    """Make the file if needed, in WAL mode. Raises what `sentences_for` translates."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and file.stat().st_size == 0:
        logger.warning("workflow database %s is empty and is made again", file)
    connection = sqlite3.connect(file)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def inspected_workflows(file: Path) -> str:
    """The place of the database, for the doctor; changes nothing. Raises `StoreUnavailable`."""
    if not file.exists() or file.stat().st_size == 0:
        return f"{file} is made at the next start"
    with sentences_for(file), closing(sqlite3.connect(file)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return str(file)


def dbos_config(folder: DataFolder, executor: str) -> DBOSConfig:
    """The configuration of DBOS: one SQLite file, no telemetry."""
    return {
        "name": "blindspot-cloud",
        "system_database_url": sqlite_url(folder.workflows),
        "application_version": APPLICATION_VERSION,
        "executor_id": executor,
        "serializer": DBOSPortableJSONSerializer(),
        "enable_otlp": False,
        "log_level": "CRITICAL",
    }


def executor_id(path: Path) -> str:
    """Persisted, so that a restart recovers what this data folder began; a damaged one is made again."""
    if path.exists():
        try:
            found = read_text(path).strip()
        except FileFault as error:
            logger.warning("%s; it is made again", error)
        else:
            if _EXECUTOR.fullmatch(found):
                return found
            logger.warning("%s holds no id of an executor; it is made again", path)
    fresh = f"cloud-{ULID()}"
    write_atomically(path, fresh.encode())
    return fresh
