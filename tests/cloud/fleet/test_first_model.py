"""The first model of a fleet: released once, never beside another release, and none without weights."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cloud.detector.model_files import ModelFiles
from cloud.detector.weights import read_weights
from cloud.errors import NotNow, StageInterrupted
from cloud.fleet.first_model import described, first_classes, refuse_begun_fleet, release_first_model
from cloud.fleet.publisher import Publisher
from cloud.starting_detector import STARTING_WEIGHTS
from cloud.store.audit_store import AuditStore
from cloud.store.lists.filters import AuditFilter
from cloud.store.release_store import ReleaseStore
from messaging.blobs import digest_of
from messaging.releases import BundleDescription, Channel, Role
from messaging.taxonomy import DEFAULT_TAXONOMY, Taxonomy
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.signing import Repository
from tests.support.cloud.sample_reports import open_store
from tests.support.fake_detector import describe, fake_bundle

BUNDLE = fake_bundle("street-start")


class FakeModels:
    """Exports every weights file as the same bundle."""

    first: str | None = None

    def __init__(self, folder: Path) -> None:
        self.exported: list[Path] = []
        self._bundle = folder / "model.onnx"
        self._bundle.write_bytes(BUNDLE)

    def export(self, weights: Path, stopping: Callable[[], bool]) -> str:
        if stopping():
            raise StageInterrupted("the export was asked to stop")
        self.exported.append(weights)
        return digest_of(BUNDLE)

    def detector(self, digest: str) -> SimpleNamespace:
        return SimpleNamespace(description=describe("street-start"))

    def bundle(self, digest: str) -> Path:
        return self._bundle


class FakePublisher:
    """Makes manifests without signing them."""

    def publish_first(self, bundle: bytes, description: BundleDescription) -> ReleaseManifest:
        return self._manifest(bundle, description, Role.DETECTOR)

    def publish_teacher(self, bundle: bytes, description: BundleDescription) -> ReleaseManifest:
        return self._manifest(bundle, description, Role.TEACHER)

    def _manifest(self, bundle: bytes, description: BundleDescription, role: Role) -> ReleaseManifest:
        return ReleaseManifest.of(
            description,
            digest=digest_of(bundle),
            length_bytes=len(bundle),
            channel=Channel.SERVICE,
            version=1,
            role=role,
            evaluation_digest=None,
            synthetic_set_digest=None,
        )


class Fleet:
    def __init__(self, folder: Path) -> None:
        database, _ = open_store(folder)
        self.releases, self.models = ReleaseStore(database), FakeModels(folder)
        self.audit = AuditStore(database)

    def start(
        self, weights: Path | None, role: Role = Role.DETECTOR, *, stopping: bool = False
    ) -> str | None:
        return release_first_model(
            weights,
            releases=self.releases,
            models=cast(ModelFiles, self.models),
            publisher=cast(Publisher, FakePublisher()),
            role=role,
            stopping=lambda: stopping,
        )


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_a_stop_ends_the_export_and_the_next_start_begins_again(fleet: Fleet) -> None:
    with pytest.raises(StageInterrupted):
        fleet.start(STARTING_WEIGHTS, stopping=True)
    assert fleet.releases.releases() == []
    assert fleet.start(STARTING_WEIGHTS) == digest_of(BUNDLE)


def test_the_starting_detector_is_exported_and_recorded_for_service(fleet: Fleet) -> None:
    digest = fleet.start(Path("start.safetensors"))
    release = fleet.releases.current_service()
    assert release is not None
    assert (release.digest, release.channel, release.version) == (digest, "service", 1)
    assert (release.name, release.campaign) == ("street-start", None)


def test_the_first_teacher_is_released_in_its_own_role(fleet: Fleet) -> None:
    digest = fleet.start(Path("reference.safetensors"), Role.TEACHER)
    release = fleet.releases.current_service(Role.TEACHER)
    assert release is not None
    assert release.digest == digest
    assert fleet.releases.current_service() is None


def test_the_cloud_is_named_in_the_audit_log_for_the_first_models_that_it_signs(fleet: Fleet) -> None:
    digest = fleet.start(Path("start.safetensors"))
    assert fleet.start(Path("start.safetensors")) == digest
    (entry,) = fleet.audit.entries(AuditFilter(), limit=9)
    assert (entry.user, entry.address, entry.action) == ("the cloud", "", "sign for service")
    assert (entry.object, entry.status, entry.before) == (f"model {str(digest)[:12]}", 200, None)
    assert entry.after == {
        "digest": digest,
        "name": "street-start",
        "role": "detector",
        "channel": "service",
        "version": 1,
    }
    release = fleet.releases.current_service()
    assert release is not None
    assert entry.at_utc == release.signed_at


@pytest.mark.parametrize("weights", [None, Path("start.safetensors")])
def test_an_imported_model_is_released_instead_of_a_starting_detector(
    fleet: Fleet, weights: Path | None
) -> None:
    fleet.models.first = digest_of(BUNDLE)
    assert fleet.start(weights) == digest_of(BUNDLE)
    assert not fleet.models.exported
    assert fleet.releases.current_service() is not None


def test_a_detector_is_imported_only_before_the_first_release(tmp_path: Path) -> None:
    refuse_begun_fleet(tmp_path / "releases")
    repository = Repository.create(tmp_path / "releases")
    refuse_begun_fleet(tmp_path / "releases")
    repository.publish(FakePublisher().publish_first(BUNDLE, describe("street-start")))
    with pytest.raises(NotNow, match=f"the fleet of {tmp_path} runs street-start .* use another data folder"):
        refuse_begun_fleet(tmp_path / "releases")


def test_the_classes_of_a_fleet_are_those_of_its_first_model(fleet: Fleet) -> None:
    models = cast(ModelFiles, fleet.models)
    assert first_classes(None, models) is None
    assert first_classes(STARTING_WEIGHTS, models) == read_weights(STARTING_WEIGHTS).card.class_names
    fleet.models.first = digest_of(BUNDLE)
    assert first_classes(STARTING_WEIGHTS, models) == describe("street-start").class_names


def test_a_fleet_with_a_release_keeps_it(fleet: Fleet) -> None:
    first = fleet.start(Path("start.safetensors"))
    assert fleet.start(Path("other.safetensors")) == first
    assert fleet.models.exported == [Path("start.safetensors")]


def test_without_weights_nothing_is_released_and_a_warning_names_the_setting(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    assert fleet.start(None) is None
    assert fleet.releases.current_service() is None
    assert "give one with starting_weights" in caplog.text


def test_the_first_release_describes_its_classes_as_the_deployment_does(tmp_path: Path) -> None:
    copy = tmp_path / "starting.safetensors"
    assert described(STARTING_WEIGHTS, DEFAULT_TAXONOMY, copy) == STARTING_WEIGHTS
    louder = DEFAULT_TAXONOMY.hazard("pothole").model_copy(update={"severity": 5})
    assert described(STARTING_WEIGHTS, Taxonomy((louder,)), copy) == copy
    found = read_weights(copy)
    assert (found.card.taxonomy.severity("pothole"), found.card.taxonomy.severity("fire")) == (5, 5)
    assert found.card.class_names == read_weights(STARTING_WEIGHTS).card.class_names
