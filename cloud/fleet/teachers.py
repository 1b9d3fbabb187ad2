"""Publishing a teacher: its bundle is checked as a site checks it, signed, and rolled out in phases.

A teacher needs no trial: it reports no hazards, and a person decides which network confirms what the detector
misses. Sites swap it in, test it and go back by themselves, as they do with a detector.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ulid import ULID

from cloud.dry_runs import before_change
from cloud.errors import WeightsRefused
from cloud.fleet.publisher import Publisher
from cloud.fleet.release_register import record_release
from cloud.fleet.rollout_driver import RolloutDriver
from cloud.store.records import Release
from cloud.store.release_store import ReleaseStore
from edge.errors import BundleRefused
from edge.vision.onnx_detector import OnnxDetector
from messaging.releases import BundleDescription, Channel, Role
from messaging.taxonomy import Taxonomy


@dataclass(frozen=True)
class TeacherReleases:
    """The releases of role teacher of one cloud."""

    releases: ReleaseStore
    publisher: Publisher
    rollouts: RolloutDriver
    taxonomy: Callable[[], Taxonomy]

    def publish(self, bundle: bytes, by: str) -> Release:
        """Sign a bundle as the fleet's teacher and begin its rollout, if a site runs already.

        `by` is who asked for it.

        Raises:
            WeightsRefused: it is no detector bundle, or detects none of this deployment's classes.
            NotNow: a rollout of another teacher is under way, or the bundle is the detector in service.
        """
        description = self._described(bundle)
        self.rollouts.refuse_another(Role.TEACHER)
        before = self.releases.current_service(Role.TEACHER)
        before_change()
        manifest = self.publisher.publish_teacher(bundle, description)
        sites = self.rollouts.sites(Role.TEACHER)
        if sites:  # before it is recorded, so that no site is ordered outside the rollout
            self.rollouts.begin(
                str(ULID()),
                manifest.digest,
                Channel.SERVICE,
                previous=before.digest if before and before.digest != manifest.digest else None,
                sites=sites,
                role=Role.TEACHER,
                by=by,
            )
        record_release(
            self.releases,
            manifest,
            description.model_dump(mode="json"),
            campaign=None,
            signed_at=time.time(),
            requested=True,
        )
        self.rollouts.step_all()
        return self.releases.release(manifest.digest)

    def _described(self, bundle: bytes) -> BundleDescription:
        try:
            description = OnnxDetector(bundle).description
        except BundleRefused as error:
            raise WeightsRefused(str(error)) from None
        if not set(description.class_names) & set(self.taxonomy().names):
            raise WeightsRefused(
                f"the bundle detects {', '.join(description.class_names)}; a teacher must detect at least "
                f"one class of this deployment ({', '.join(self.taxonomy().names)})"
            )
        return description
