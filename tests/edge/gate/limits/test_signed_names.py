"""Names from signed releases: what the node writes into the mirror's place does not count."""

from pathlib import Path

import pytest

from edge.gate.limits.signed_names import SignedNames, SignedReleases
from messaging.releases import Channel
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.signing import Repository

CLASSES = ("fire", "flood")


def _manifest(version: int) -> ReleaseManifest:
    return ReleaseManifest(
        digest=f"{version:064x}",
        length_bytes=10,
        channel=Channel.TRIAL,
        version=version,
        name="detector",
        class_names=CLASSES,
        taxonomy_digest="e" * 64,
        input_width=320,
        input_height=192,
        embedding_digest="d" * 64,
    )


class Place:
    """A cloud's repository, a mirror of it and the gate's view. `now_s` is the gate's clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now_s = folder, 0.0
        self.repository = Repository(folder / "cloud")
        for name in ("metadata", "orders"):
            (folder / "mirror" / name).mkdir(parents=True)

    def publish(self, version: int) -> None:
        self.repository.publish(_manifest(version))
        for name, data in self.repository.metadata_files().items():
            (self.folder / "mirror" / "metadata" / name).write_bytes(data)

    def gate(self) -> SignedReleases:
        trust = self.repository.site_trust
        return SignedReleases(self.folder / "gate", self.folder / "mirror", trust, lambda: self.now_s)


def test_digests_classes_and_embeddings_of_signed_releases_are_known(tmp_path: Path) -> None:
    place = Place(tmp_path)
    gate = place.gate()
    assert gate.now() == SignedNames()
    place.publish(1)
    one = gate.now()
    assert one == SignedNames(frozenset({f"{1:064x}"}), frozenset({"d" * 64}), frozenset(CLASSES))
    place.publish(2)
    assert gate.now().digests == {f"{1:064x}", f"{2:064x}"}


def test_they_stay_known_when_the_mirror_is_lost(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(1)
    known = place.gate().now()
    for path in (tmp_path / "mirror" / "metadata").iterdir():
        path.unlink()
    assert place.gate().now() == known


def test_metadata_that_another_key_has_signed_names_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, stranger = Place(tmp_path / "one"), Place(tmp_path / "two")
    stranger.publish(1)
    for path in (tmp_path / "two" / "mirror" / "metadata").iterdir():
        (tmp_path / "one" / "mirror" / "metadata" / path.name).write_bytes(path.read_bytes())
    gate = place.gate()
    assert gate.now() == SignedNames()
    assert gate.now() == SignedNames()
    assert caplog.text.count("are not read yet") == 1, "it is not read again with every message"
    place.publish(1)
    place.now_s += 60
    assert gate.now().digests == {f"{1:064x}"}
