"""A backup of a running cloud, restored into another folder: the cloud goes on, and no site sees less."""

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.backup import CARD, restore_backup, write_backup
from cloud.cli.main import app
from cloud.errors import BackupRefused
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings, StoreSettings
from cloud.store.database import open_database
from cloud.store.receipt_store import ReceiptStore
from cloud.store.release_store import ReleaseStore
from messaging.blobs import digest_of
from messaging.errors import TrustError
from messaging.releases import Channel
from messaging.resources import SiteResource
from messaging.trust.signing import Repository
from messaging.trust.site_trust import TrustedReleases
from tests.support.cloud.running_cloud import FIRST, running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(120)


def _settings(data: Path) -> CloudSettings:
    return CloudSettings(data=data, api=ApiSettings(port=0))


def _versions(data: Path) -> list[int]:
    found = []
    for role in ("timestamp", "snapshot", "targets"):
        paths = (data / "releases" / "metadata").glob(f"*{role}.json")
        found.append(max(json.loads(path.read_bytes())["signed"]["version"] for path in paths))
    return found


def _mirror(data: Path, mirror: Path) -> Path:
    """What a gate mirrors of a cloud's metadata."""
    shutil.copytree(data / "releases" / "metadata", mirror / "metadata", dirs_exist_ok=True)
    return mirror


def _identity_and_sequence(settings: CloudSettings) -> tuple[str, int]:
    database = open_database(settings.store_url)
    try:
        return ReceiptStore(database).identity(), ReleaseStore(database).last_sequence("harbour")
    finally:
        database.close()


def test_a_restored_cloud_goes_on_above_everything_that_its_sites_have_seen(tmp_path: Path) -> None:
    old, new, backup = _settings(tmp_path / "old"), _settings(tmp_path / "new"), tmp_path / "backup.zip"
    with running_cloud(old, lambda _: ScriptedStages(), sites=("harbour",)) as cloud:
        parts = cloud.parts
        assert parts is not None
        with cloud.client() as client:
            client.send("PUT", "sites/harbour", SiteResource)
        wait_until(lambda: cloud.sites["harbour"].model == digest_of(FIRST), 30.0, "the site has its model")
        write_backup(old, backup, configuration=None)
        for _ in range(3):  # what the backup does not know
            parts.publisher.refresh_timestamp()
            parts.rollouts.send_single("harbour", digest_of(FIRST), Channel.SERVICE)
    identity, sequence = _identity_and_sequence(old)
    seen, now = _versions(old.data), int((old.data / "releases" / "metadata").stat().st_mtime)
    trust = Repository.open(old.folder.releases).site_trust
    site = TrustedReleases(tmp_path / "site", _mirror(old.data, tmp_path / "mirror"), trust)
    site.manifest(digest_of(FIRST), now)

    restore_backup(backup, new.data)
    restored_identity, restored_sequence = _identity_and_sequence(new)
    assert restored_identity != identity
    assert restored_sequence > sequence
    assert all(after > before for after, before in zip(_versions(new.data), seen, strict=True))
    site.manifest(digest_of(FIRST), int((_mirror(new.data, tmp_path / "mirror")).stat().st_mtime))

    with running_cloud(new, lambda _: ScriptedStages(), sites=("harbour",)) as cloud:
        parts = cloud.parts
        assert parts is not None
        with cloud.client() as client:
            assert [found.site for found in client.page("sites", SiteResource)] == ["harbour"]
        assert parts.models.bundle(digest_of(FIRST)).read_bytes() == FIRST
        order = parts.rollouts.send_single("harbour", digest_of(FIRST), Channel.SERVICE)
        assert order.sequence > sequence


def test_control_metadata_of_a_mere_copy_is_refused_by_the_sites(tmp_path: Path) -> None:
    folder, copy = tmp_path / "data" / "releases", tmp_path / "copy" / "releases"
    repository = Repository(folder)
    shutil.copytree(folder, copy)
    repository.refresh_timestamp()
    repository.refresh_timestamp()
    site = TrustedReleases(
        tmp_path / "site", _mirror(folder.parent, tmp_path / "mirror"), repository.site_trust
    )
    now = int((folder / "metadata" / "timestamp.json").stat().st_mtime)
    with pytest.raises(TrustError, match="not among the signed"):
        site.manifest("0" * 64, now)
    _mirror(copy.parent, tmp_path / "mirror")
    with pytest.raises(TrustError, match="older_version"):
        site.manifest("0" * 64, now)


def test_a_release_signed_after_a_restore_is_above_the_releases_that_were_lost(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "releases")
    repository.skip_versions()
    assert repository.release_floor == 100_000
    repository.skip_versions()
    assert Repository.open(tmp_path / "releases").release_floor == 200_000


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    settings = _settings(tmp_path / "cloud")
    Repository(settings.folder.releases)
    open_database(settings.store_url).close()
    return write_backup(settings, tmp_path, configuration=None)


def test_a_backup_is_readable_by_its_owner_only_and_so_are_the_restored_keys(
    backup: Path, tmp_path: Path
) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    restore_backup(backup, tmp_path / "new")
    keys = list((tmp_path / "new" / "releases" / "keys").iterdir())
    assert {key.stem for key in keys} == {"director", "root", "snapshot", "targets", "timestamp"}
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def _cut(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes()[:-500])


def _flip(backup: Path) -> None:
    data = bytearray(backup.read_bytes())
    data[data.index(b"SQLite format 3") + 40] ^= 1
    backup.write_bytes(data)


def _foreign(backup: Path) -> None:
    with zipfile.ZipFile(backup, "w") as archive:
        archive.writestr("photo.txt", "x")


def _empty(backup: Path) -> None:
    backup.write_bytes(b"")


def _rewritten(backup: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(backup) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(backup, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def _without_a_key(backup: Path) -> None:
    _rewritten(backup, lambda files: files.pop("releases/keys/root.pem"))  # type: ignore[arg-type,return-value]


def _with_another_key(backup: Path) -> None:
    """A valid archive, one file of which somebody has exchanged."""
    _rewritten(backup, lambda files: files.update({"releases/keys/root.pem": b"another key"}))


def _outside(backup: Path) -> None:
    def change(files: dict[str, bytes]) -> None:
        card = json.loads(files[CARD])
        card["files"]["../../escaped"] = card["files"]["releases/keys/root.pem"]
        files["../../escaped"] = files["releases/keys/root.pem"]
        files[CARD] = json.dumps(card).encode()

    _rewritten(backup, change)


def _later_version(backup: Path) -> None:
    def change(files: dict[str, bytes]) -> None:
        files[CARD] = json.dumps({**json.loads(files[CARD]), "version": 2}).encode()

    _rewritten(backup, change)


@pytest.mark.parametrize(
    "damage", [_cut, _flip, _foreign, _empty, _without_a_key, _with_another_key, _outside, _later_version]
)
def test_a_damaged_or_foreign_backup_is_refused_in_one_sentence_and_leaves_nothing(
    backup: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(backup)
    with pytest.raises(BackupRefused) as refused:
        restore_backup(backup, tmp_path / "below" / "new")
    assert str(backup) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list((tmp_path / "below").iterdir())


def test_a_folder_that_holds_something_is_never_restored_into(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    with pytest.raises(BackupRefused, match="is not empty; restore into a new folder"):
        restore_backup(backup, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_nothing_and_postgresql_are_refused_with_what_to_do(tmp_path: Path, backup: Path) -> None:
    with pytest.raises(BackupRefused, match="holds no cloud; give the data folder"):
        write_backup(_settings(tmp_path / "nothing"), tmp_path / "b.zip", configuration=None)
    store = StoreSettings.model_validate({"url": "postgresql://a:b@localhost/c"})
    settings = _settings(tmp_path / "cloud").model_copy(update={"store": store})
    with pytest.raises(BackupRefused, match="back it up with `pg_dump`"):
        write_backup(settings, tmp_path / "b.zip", configuration=None)
    assert not (tmp_path / "b.zip").exists()
    write_backup(settings, tmp_path / "b.zip", configuration=None, database=False)
    assert not restore_backup(tmp_path / "b.zip", tmp_path / "new").database


def test_the_command_line_backs_up_and_restores(backup: Path, tmp_path: Path) -> None:
    config = tmp_path / "cloud.yaml"
    config.write_text(f"data: {tmp_path / 'cloud'}\n")
    target, new = tmp_path / "again.zip", tmp_path / "new"
    for arguments, said in (
        (["backup", str(target), "--config", str(config)], "it holds private keys"),
        (["restore", str(target), "--data", str(new)], "start the cloud with this data folder"),
        (["db", "renew", "--data", str(new)], "has the identity"),
        (["restore", str(target), "--data", str(new)], "is not empty"),
    ):
        done = CliRunner().invoke(app, arguments)
        assert said in " ".join((done.output + str(done.exception)).split()), done.output
    assert (new / "cloud.yaml").read_bytes() == config.read_bytes()
