"""Publishing a teacher: what is refused, and what follows."""

from pathlib import Path
from typing import cast

import pytest

from cloud.errors import NotNow, WeightsRefused
from cloud.fleet.publisher import Publisher
from cloud.fleet.rollout_driver import RolloutDriver
from cloud.fleet.rollout_state import RolloutState
from cloud.fleet.teachers import TeacherReleases
from cloud.settings import RolloutSettings
from cloud.store.audit_store import AuditStore
from cloud.store.lists.filters import AuditFilter
from cloud.store.release_store import ReleaseStore
from cloud.store.report_insertion import Received
from cloud.store.report_store import ReportStore
from messaging.blobs import digest_of
from messaging.releases import BundleDescription, Channel, Role, RolloutOrder
from messaging.taxonomy import DEFAULT_TAXONOMY, taxonomy_of
from messaging.trust.manifest import ReleaseManifest
from tests.support.cloud.sample_reports import MINUTE, heartbeat, message, open_store
from tests.support.edge.tiny_bundles import tiny_bundle, tiny_description


class Hub:
    """Signs nothing and collects orders."""

    def __init__(self) -> None:
        self.version, self.sent = 0, list[RolloutOrder]()

    def publish_teacher(self, bundle: bytes, description: BundleDescription) -> ReleaseManifest:
        self.version += 1
        return ReleaseManifest.of(
            description,
            digest=digest_of(bundle),
            length_bytes=len(bundle),
            channel=Channel.SERVICE,
            version=self.version,
            role=Role.TEACHER,
        )

    def send(self, order: RolloutOrder) -> None:
        self.sent.append(order)


class Cloud:
    def __init__(self, folder: Path) -> None:
        database, _ = open_store(folder)
        self.reports, self.hub = ReportStore(database), Hub()
        self.audit = AuditStore(database)
        self.releases, publisher = ReleaseStore(database), cast(Publisher, self.hub)
        driver = RolloutDriver(self.reports, self.releases, publisher, RolloutSettings(), lambda: MINUTE)
        self.teachers = TeacherReleases(self.releases, publisher, driver, lambda: DEFAULT_TAXONOMY)


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def test_a_teacher_is_signed_recorded_and_rolled_out_to_sites_that_run(cloud: Cloud) -> None:
    first = cloud.teachers.publish(tiny_bundle(), "ann")
    assert (first.role, first.channel, first.name) == (Role.TEACHER, Channel.SERVICE, "tiny")
    assert cloud.hub.sent == []
    cloud.reports.put_heartbeats([Received(message(heartbeat(teacher_fraction=0.0), "quay"), 100)])
    second = cloud.teachers.publish(tiny_bundle(tiny_description(name="second")), "ann")
    assert [(o.site, o.role, o.digest) for o in cloud.hub.sent] == [("quay", Role.TEACHER, second.digest)]
    (state,) = [RolloutState.from_json(row.state) for row in cloud.releases.rollouts()]
    assert (state.role, state.previous_digest) == (Role.TEACHER, first.digest)
    with pytest.raises(NotNow, match="under way"):
        cloud.teachers.publish(tiny_bundle(tiny_description(name="third")), "ann")


def test_a_teacher_that_a_person_publishes_has_only_the_entry_of_the_request(cloud: Cloud) -> None:
    assert cloud.teachers.publish(tiny_bundle(), "ann").role is Role.TEACHER
    assert cloud.audit.entries(AuditFilter(), limit=9) == []


def test_what_is_no_bundle_or_detects_nothing_of_this_deployment_is_refused(cloud: Cloud) -> None:
    for damaged in (b"", b"no onnx", tiny_bundle()[:900]):
        with pytest.raises(WeightsRefused):
            cloud.teachers.publish(damaged, "ann")
    names = ("heron", "otter")
    other = tiny_description(
        class_names=names,
        taxonomy_digest=taxonomy_of(names).digest,
        thresholds=dict.fromkeys(names, 0.5),
    )
    with pytest.raises(WeightsRefused, match="detects heron, otter; a teacher must detect at least one"):
        cloud.teachers.publish(tiny_bundle(other), "ann")
    assert cloud.hub.version == 0
