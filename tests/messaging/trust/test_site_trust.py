"""What is signed, by whom, and what a site accepts of it."""

import stat
from pathlib import Path

import pytest

from messaging.errors import BlobError, ConfigurationError, TrustError
from messaging.releases import Channel
from messaging.trust.keys import SigningKey
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.root_chain import Lifetimes
from messaging.trust.signing import Repository
from messaging.trust.site_trust import SiteTrust, TrustedReleases
from tests.support.fake_detector import describe
from tests.support.release_fleet import NOW, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def releases(fleet: Fleet) -> TrustedReleases:
    return TrustedReleases(fleet.folder / "trust", fleet.mirror, fleet.repository.site_trust)


def test_keys_are_files_that_only_their_owner_may_read(fleet: Fleet) -> None:
    keys = sorted((fleet.folder / "releases" / "keys").iterdir())
    names = ["director", "root", "snapshot", "targets", "timestamp"]
    assert [key.stem for key in keys] == names
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    SigningKey.read_or_make(path)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        SigningKey.read(path)


def test_a_key_file_that_is_not_a_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    path.write_text("not a key")
    with pytest.raises(ConfigurationError, match="not a usable Ed25519 key"):
        SigningKey.read(path)


def test_a_key_does_not_show_its_secret(tmp_path: Path) -> None:
    key = SigningKey.read_or_make(tmp_path / "key.pem")
    assert repr(key) == f"SigningKey({key.public.key_id[:12]})"


def test_a_signature_holds_for_exactly_these_bytes(tmp_path: Path) -> None:
    key = SigningKey.read_or_make(tmp_path / "key.pem")
    signature = key.sign(b"bytes")
    key.public.verify(b"bytes", signature, "message")
    for data, given in ((b"Bytes", signature), (b"bytes", "00" * 64), (b"bytes", "not hex")):
        with pytest.raises(TrustError, match="message is not signed by key"):
            key.public.verify(data, given, "message")


def test_a_repository_is_made_once_and_opened_after(fleet: Fleet, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="already holds a release repository"):
        Repository.create(tmp_path / "releases")
    with pytest.raises(ConfigurationError, match="holds no release repository"):
        Repository.open(tmp_path / "elsewhere")
    manifest = fleet.release()
    again = Repository.open(tmp_path / "releases", clock=lambda: NOW)
    assert again.releases() == {manifest.digest: manifest}
    assert again.site_trust == fleet.repository.site_trust


def test_a_site_reads_back_what_was_signed(fleet: Fleet) -> None:
    manifest = fleet.release("one", Channel.TRIAL)
    believed = releases(fleet).manifest(manifest.digest, NOW)
    assert believed == manifest
    assert releases(fleet).weights(believed) == fleet.target(manifest).read_bytes()


def test_the_channel_changes_from_trial_to_service_and_nothing_else_changes(fleet: Fleet) -> None:
    manifest = fleet.release("one", Channel.TRIAL)
    fleet.promote(manifest)
    assert releases(fleet).manifest(manifest.digest, NOW).channel is Channel.SERVICE
    for change in ({"channel": Channel.TRIAL}, {"version": 9}, {"evaluation_digest": "a" * 64}):
        with pytest.raises(ConfigurationError, match="only its channel may change"):
            fleet.repository.publish(manifest.model_copy(update={"channel": Channel.SERVICE, **change}))


def test_model_versions_only_go_up(fleet: Fleet) -> None:
    fleet.release("one", version=5)
    with pytest.raises(ConfigurationError, match="versions only go up"):
        fleet.release("two", version=5)


def test_signing_the_same_release_again_changes_no_metadata(fleet: Fleet) -> None:
    manifest = fleet.release()
    before = dict(fleet.repository.metadata_files())
    fleet.repository.publish(manifest)
    assert fleet.repository.metadata_files() == before


def test_metadata_are_made_public_with_the_timestamp_last(fleet: Fleet) -> None:
    fleet.release()
    names = list(fleet.repository.metadata_files())
    assert names == ["1.root.json", "2.targets.json", "2.snapshot.json", "timestamp.json"]


def test_a_refreshed_timestamp_ends_a_freeze(fleet: Fleet) -> None:
    manifest = fleet.release()
    fleet.now += 2 * 86400
    with pytest.raises(TrustError) as refused:
        releases(fleet).manifest(manifest.digest, fleet.now)
    assert refused.value.reason == "expired"
    fleet.repository.refresh_timestamp()
    fleet.mirror_metadata()
    assert releases(fleet).manifest(manifest.digest, fleet.now) == manifest


def test_refreshing_renews_snapshot_and_targets_before_they_expire(tmp_path: Path) -> None:
    now = NOW
    lifetimes = Lifetimes(targets_s=1000, snapshot_s=100, timestamp_s=10)
    repository = Repository(tmp_path, clock=lambda: now, lifetimes=lifetimes)
    seen = []
    for now in (NOW + 5, NOW + 60, NOW + 600):  # noqa: B007  the clock reads it
        repository.refresh_timestamp()
        seen.append([name for name in repository.metadata_files() if name != "timestamp.json"])
    assert seen == [
        ["1.root.json", "1.targets.json", "1.snapshot.json"],
        ["1.root.json", "1.targets.json", "2.snapshot.json"],
        ["1.root.json", "2.targets.json", "3.snapshot.json"],
    ]


def test_a_role_without_a_key_of_its_own_cannot_be_rotated(fleet: Fleet) -> None:
    with pytest.raises(ConfigurationError, match="no key to rotate"):
        fleet.repository.rotate_key("director")


def test_an_incomplete_mirror_is_waited_for_and_not_mistrusted(fleet: Fleet) -> None:
    manifest = fleet.release()
    data = fleet.target(manifest).read_bytes()
    fleet.target(manifest).unlink()
    with pytest.raises(BlobError, match="lacks the weights"):
        releases(fleet).weights(manifest)
    fleet.target(manifest).write_bytes(data)
    fleet.metadata("2.snapshot.json").unlink()
    with pytest.raises(BlobError, match="lacks a metadata file"):
        releases(fleet).manifest(manifest.digest, NOW)


def test_one_byte_more_than_was_signed_is_read_at_most(fleet: Fleet) -> None:
    manifest = fleet.release()
    fleet.target(manifest).write_bytes(bytes(5_000_000))
    with pytest.raises(TrustError, match=f"have {manifest.length_bytes + 1} bytes or more"):
        releases(fleet).weights(manifest)


def test_weights_behind_a_link_are_not_read_though_they_are_right(fleet: Fleet) -> None:
    manifest = fleet.release()
    elsewhere = fleet.target(manifest).rename(fleet.folder / "elsewhere")
    fleet.target(manifest).symlink_to(elsewhere)
    with pytest.raises(BlobError, match="cannot be read"):
        releases(fleet).weights(manifest)


def test_a_manifest_that_this_program_cannot_read_is_refused(fleet: Fleet) -> None:
    with pytest.raises(TrustError, match="cannot read"):
        ReleaseManifest.from_target("a" * 64, 5, None)
    with pytest.raises(TrustError, match="cannot read"):
        ReleaseManifest.from_target("a" * 64, 5, {"channel": "maybe"})


def test_a_bundle_that_describes_itself_otherwise_does_not_agree_with_its_manifest(fleet: Fleet) -> None:
    manifest = fleet.release("one")
    assert manifest.agrees_with(describe("one"))
    assert not manifest.agrees_with(describe("two"))
    assert not manifest.agrees_with(describe("one", ["fire", "flood", "pothole"]))


def test_the_trust_file_survives_its_own_form_and_refuses_others(fleet: Fleet) -> None:
    trust = fleet.repository.site_trust
    assert SiteTrust.from_bytes(trust.to_bytes()) == trust
    for data in (b"", b"{}", b'{"root": "?", "director": {"key_id": "1", "public_hex": "2"}}'):
        with pytest.raises(ConfigurationError, match="enrol the site again"):
            SiteTrust.from_bytes(data)


def test_what_was_seen_is_remembered_across_restarts_of_the_site(fleet: Fleet) -> None:
    old = dict(fleet.repository.metadata_files())
    manifest = fleet.release()
    releases(fleet).manifest(manifest.digest, NOW)
    for name, data in old.items():
        fleet.metadata(name).write_bytes(data)
    with pytest.raises(TrustError) as refused:
        releases(fleet).manifest(manifest.digest, NOW)
    assert refused.value.reason == "older_version"
