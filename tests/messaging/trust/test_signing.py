"""The signing repository: keys and metadata that are lost, emptied or foreign are refused with a sentence."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from messaging.errors import ConfigurationError, StateFileBroken
from messaging.trust.signing import Repository, inspect_repository
from tests.support.release_fleet import Fleet
from tests.support.small_disk import small_disk

METADATA = ("timestamp.json", "1.snapshot.json", "1.targets.json", "1.root.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Repository(tmp_path / "releases")
    return tmp_path / "releases"


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", METADATA)
@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda data: data[: len(data) // 2], lambda _: b"{}", lambda _: b"\xff\xfe\0"]
)
def test_damaged_metadata_is_refused_and_left_as_it_is(
    folder: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    path = folder / "metadata" / name
    path.write_bytes(damage(path.read_bytes()))
    before = _bytes_of(folder)
    for open_it in (Repository, inspect_repository):
        with pytest.raises(StateFileBroken, match=f"{name} is lost or damaged; restore the folder"):
            open_it(folder)
    assert _bytes_of(folder) == before


def test_metadata_of_another_role_is_refused(folder: Path) -> None:
    shutil.copyfile(folder / "metadata" / "1.root.json", folder / "metadata" / "1.targets.json")
    with pytest.raises(StateFileBroken, match=r"1\.targets\.json is lost or damaged"):
        Repository(folder)


def test_a_lost_timestamp_does_not_begin_the_releases_again(folder: Path) -> None:
    Repository(folder).rotate_key("targets")
    (folder / "metadata" / "timestamp.json").unlink()
    before = _bytes_of(folder)
    with pytest.raises(StateFileBroken, match=r"timestamp\.json is lost; restore"):
        Repository(folder)
    assert _bytes_of(folder) == before


@pytest.mark.parametrize("name", ["director", "root", "targets"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff"])
def test_a_lost_or_damaged_key_is_not_replaced_in_silence(
    folder: Path, name: str, content: bytes | None
) -> None:
    path = folder / "keys" / f"{name}.pem"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"{name}.pem.*; restore it from a backup"):
        Repository(folder)
    with pytest.raises(ConfigurationError):
        inspect_repository(folder)
    assert path.exists() == (content is not None)


def test_a_key_of_another_kind_is_refused(folder: Path) -> None:
    pem = generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "keys" / "director.pem").write_bytes(pem)
    with pytest.raises(ConfigurationError, match="is not a usable Ed25519 key"):
        Repository(folder)


def test_inspecting_makes_nothing_and_tells_what_is_there(tmp_path: Path, folder: Path) -> None:
    assert "is made at the first start" in inspect_repository(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    before = _bytes_of(folder)
    assert inspect_repository(folder).startswith("0 signed releases, valid until 20")
    (folder / "keys" / "targets.pem").chmod(0o644)
    with pytest.raises(ConfigurationError, match="may be read by others"):
        inspect_repository(folder)
    assert _bytes_of(folder) == before


def test_expired_metadata_is_a_finding(folder: Path) -> None:
    with pytest.raises(StateFileBroken, match=r"the root metadata in .* expired on 20"):
        inspect_repository(folder, clock=lambda: 4e9)


@pytest.mark.parametrize("pages", range(5))
def test_a_release_that_the_disk_does_not_take_is_signed_when_it_has_room(tmp_path: Path, pages: int) -> None:
    """The attack: the disk is full at the first, second or third file; the same call comes again later."""
    with small_disk(tmp_path / "disk", 2) as disk:
        fleet = Fleet(disk.folder)
        one = fleet.release("one")
        two = one.model_copy(update={"digest": "2" * 64, "version": 2})
        disk.fill(leave_bytes=pages * 4096)
        taken = pages >= 3
        with contextlib.nullcontext() if taken else pytest.raises(OSError, match="No space left"):
            fleet.repository.publish(two)
        assert set(fleet.repository.releases()) == {one.digest, *((two.digest,) if taken else ())}
        disk.make_room()
        fleet.repository.publish(two)
        assert fleet.repository.metadata_files()
        again = Repository(disk.folder / "releases", clock=lambda: fleet.now)
        assert set(again.releases()) == {one.digest, two.digest}
