"""A release is verified through the API as a site verifies it; what does not hold is one sentence."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.api.computed.verification import NOT_STORED, verification
from messaging.release_resources import VerificationResource
from messaging.releases import Channel
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.signing import Repository
from tests.support.cloud.api_reader import add_limited_viewer, get
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import NEW, OLD
from tests.support.fake_detector import describe

PATH = f"models/{NEW[:8]}/verification"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[FilledCloud]:
    found = FilledCloud(tmp_path / "data")
    found.released()
    signed = ReleaseManifest.of(
        describe("second"),
        digest=NEW,
        length_bytes=6,
        channel=Channel.SERVICE,
        version=2,
        synthetic_set_digest="5e" * 32,
    )
    Repository(found.folder.releases).publish(signed)
    yield found
    found.close_store()


def test_a_signed_release_is_valid_and_names_who_has_signed_until_when(cloud: FilledCloud) -> None:
    found = VerificationResource.model_validate(get(cloud, PATH).json())
    assert (found.digest, found.valid, found.fault, found.version) == (NEW, True, "", 2)
    assert (found.bundle, found.synthetic_set_digest) == (NOT_STORED, "5e" * 32)
    assert [one.role for one in found.signatures] == ["root", "targets", "snapshot", "timestamp"]
    assert all(one.signed_by == one.keys and one.threshold == 1 for one in found.signatures)
    assert min(one.expires_at_utc for one in found.signatures) > found.verified_at
    add_limited_viewer(cloud, "ana", "harbour")
    assert get(cloud, PATH, user="ana").json()["valid"], "keys and versions are no secret"


def test_a_release_that_is_not_signed_is_not_valid_and_the_signatures_are_shown(cloud: FilledCloud) -> None:
    found = verification(cloud.folder, OLD, time.time())
    assert (found.valid, len(found.signatures)) == (False, 4)
    assert "is not among the signed releases" in found.fault


def test_a_stored_bundle_that_was_changed_is_not_valid(cloud: FilledCloud) -> None:
    bundle = cloud.folder.models / NEW / "model.onnx"
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes(b"forged")
    found = verification(cloud.folder, NEW, time.time())
    assert (found.valid, "is not the signed bundle" in found.fault) == (False, True)


def test_metadata_that_has_expired_is_not_valid(cloud: FilledCloud) -> None:
    found = verification(cloud.folder, NEW, time.time() + 3 * 86_400)
    assert (found.valid, "expired" in found.fault) == (False, True)


def test_metadata_that_another_key_has_signed_is_not_valid(cloud: FilledCloud, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    forged = other.folder / "metadata" / "timestamp.json"
    (cloud.folder.releases / "metadata" / "timestamp.json").write_bytes(forged.read_bytes())
    found = verification(cloud.folder, NEW, time.time())
    assert (found.valid, "bad_signature" in found.fault) == (False, True)


def test_metadata_that_is_damaged_or_absent_is_one_sentence(cloud: FilledCloud, tmp_path: Path) -> None:
    (cloud.folder.releases / "metadata" / "timestamp.json").write_bytes(b"{}")
    assert "is not release metadata" in verification(cloud.folder, NEW, time.time()).fault
    for path in (cloud.folder.releases / "metadata").glob("*.root.json"):
        path.unlink()
    assert "holds no release metadata" in verification(cloud.folder, NEW, time.time()).fault
