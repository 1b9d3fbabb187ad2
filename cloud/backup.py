"""Backup of a cloud into one file, also while it runs, and its restore into a new data folder.

In it: the database (SQLite's online backup), keys, accounts and certificates, models, TUF metadata, the
sites' files and the configuration. Not in it: datasets, working folders of campaigns, the hub's messages. A
restored cloud is another one for its sites: it has another database identity, and sequences of orders and
versions of metadata are above all that they may have seen since the backup. The file holds private keys: its
owner alone may read it.
"""

import hashlib
import json
import shutil
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cloud.dry_runs import active, before_change
from cloud.errors import BackupRefused
from cloud.settings import CloudSettings, DataFolder
from cloud.store.database import open_database
from cloud.store.receipt_store import ReceiptStore
from messaging.runtime.atomic_files import atomic_file, move_folder
from messaging.runtime.quoting import sqlite_file, sqlite_url
from messaging.trust.signing import Repository

CARD = "backup.json"
CONFIGURATION = "cloud.yaml"
_DATABASE = "store.sqlite"
_FIRST = "releases/metadata/timestamp.json"  # names only what was written before it
_KEPT = (
    *("releases", "hub/authority", "hub/port", "certificates", "keys", "models", "sites", "token"),
    "classes.json",
)
_CHUNK_BYTES = 2**20


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class BackupCard(BaseModel):
    """What a backup holds: its files by name. `database`: whether the database is among them."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    at_utc: int
    database: bool
    files: dict[str, _File]


def write_backup(
    settings: CloudSettings, target: Path, *, configuration: Path | None, database: bool = True
) -> Path:
    """Write a backup to a file, or into a folder under a name with the time; returns the file.

    Raises `BackupRefused` for a data folder without a cloud and for a database that is not SQLite.
    """
    if target.is_dir():
        target /= time.strftime("blindspot-backup-%Y%m%dT%H%M%SZ.zip", time.gmtime())
    if not (settings.folder.root / _FIRST).is_file():
        raise BackupRefused(f"{settings.folder.root} holds no cloud; give the data folder of one with --data")
    files: dict[str, _File] = {}
    with (
        tempfile.TemporaryDirectory(dir=settings.folder.root, prefix=".backup-") as aside,
        atomic_file(target) as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        if database:
            copy = Path(aside) / _DATABASE
            _copy_database(settings, copy)
            files[_DATABASE] = _put(archive, _DATABASE, copy)
        for name, path in _kept_files(settings.folder, configuration):
            files[name] = _put(archive, name, path)
        card = BackupCard(at_utc=int(time.time()), database=database, files=files)
        archive.writestr(CARD, card.model_dump_json(indent=1))
    return target


def restore_backup(backup: Path, data: Path) -> BackupCard:
    """Make a data folder of a backup; all of it or nothing.

    Raises `BackupRefused` for a backup that is damaged or none, and for a folder that is not empty.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BackupRefused(f"{data} is not empty; restore into a new folder and give it with --data")
    parent = data.absolute().parent
    if not active():
        parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=parent if parent.exists() else None, prefix=".blindspot-restore-"))
    try:
        card = _unpack(backup, aside)
        if card.database:
            _renew(sqlite_url(aside / _DATABASE))
        Repository.open(aside / "releases").skip_versions()
        before_change()
        if data.exists():
            data.rmdir()
        move_folder(aside, data.absolute())
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return card


def _renew(url: str) -> None:
    database = open_database(url)
    try:
        ReceiptStore(database).renew_identity()
    finally:
        database.close()


def _copy_database(settings: CloudSettings, copy: Path) -> None:
    place = sqlite_file(settings.store_url)
    if place is None:
        raise BackupRefused(
            "the database is PostgreSQL: back it up with `pg_dump`, and everything else with "
            "`blindspot backup --without-database`; after `pg_restore` run `blindspot db renew`"
        )
    if not place.is_file():
        raise BackupRefused(f"database {place} does not exist; check store.url")
    with (
        closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(copy)) as saved,
    ):
        live.backup(saved, pages=1000)
        saved.execute("PRAGMA journal_mode=DELETE")


def _kept_files(folder: DataFolder, configuration: Path | None) -> Iterator[tuple[str, Path]]:
    yield _FIRST, folder.root / _FIRST
    for kept in _KEPT:
        place = folder.root / kept
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            name = path.relative_to(folder.root).as_posix()
            unfinished = any(part.startswith(".") for part in PurePosixPath(name).parts)
            if path.is_file() and name != _FIRST and not unfinished:
                yield name, path
    if configuration is not None:
        yield CONFIGURATION, configuration


def _put(archive: zipfile.ZipFile, name: str, path: Path) -> _File:
    with path.open("rb") as source, archive.open(name, "w", force_zip64=True) as target:
        return _copied(source, target)


def _copied(source: IO[bytes], target: IO[bytes]) -> _File:
    digest, length = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        length += len(chunk)
        target.write(chunk)
    return _File(bytes=length, sha256=digest.hexdigest())


def _unpack(backup: Path, folder: Path) -> BackupCard:
    try:
        with zipfile.ZipFile(backup) as archive:
            card = BackupCard.model_validate_json(archive.read(CARD))
            for name, stated in card.files.items():
                path = PurePosixPath(name)
                if path.is_absolute() or ".." in path.parts:
                    raise BackupRefused(f"{backup} is no backup of this program: it names the file {name!r}")
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with archive.open(name) as source, target.open("xb") as file:
                    target.chmod(0o600)
                    if _copied(source, file) != stated:
                        raise BackupRefused(f"{backup} is damaged: {name} differs from what was backed up")
    except (zipfile.BadZipFile, EOFError, ValidationError, KeyError, json.JSONDecodeError) as error:
        cause = " ".join(str(error).split())[:100]
        raise BackupRefused(f"{backup} is damaged or no backup of this program ({cause})") from None
    if not (folder / _FIRST).is_file():
        raise BackupRefused(f"{backup} holds no release metadata; it is no backup of a cloud")
    return card
