"""A cloud that signs and a mirror that a gate would fill, in one folder: for the edge's tests of updates."""

import itertools
from dataclasses import replace
from pathlib import Path

from edge.updates.incoming_orders import WeightsPlace
from messaging.blobs import digest_of
from messaging.releases import Channel, Role, RolloutOrder, order_key
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.orders import sign_order
from messaging.trust.signing import Repository
from messaging.trust.site_trust import SiteTrust
from tests.support.fake_detector import CLASSES, describe, fake_bundle

NOW = 1_900_000_000
SITE = "harbour"


def place_in(folder: Path, trust: SiteTrust) -> WeightsPlace:
    """The site's folders under the fleet's."""
    return WeightsPlace(folder / "node", folder / "mirror", SITE, trust, patience_s=0.0)


class Fleet:
    """Repository, mirror and one site's folder."""

    def __init__(self, folder: Path, *, now: int = NOW) -> None:
        self.folder = folder
        self.now = now
        self.mirror = folder / "mirror"
        for name in ("metadata", "targets", "orders"):
            (self.mirror / name).mkdir(parents=True)
        self.repository = Repository.create(folder / "releases", clock=lambda: self.now)
        self.sequences = itertools.count(1)
        self.versions = itertools.count(1)

    def place(self, *, patience_s: float = 0.0, taxonomy_digest: str | None = None) -> WeightsPlace:
        place = place_in(self.folder, self.repository.site_trust)
        return replace(place, patience_s=patience_s, taxonomy_digest=taxonomy_digest)

    def teacher_place(self) -> WeightsPlace:
        """The folder of the same site's teacher."""
        return replace(self.place(), folder=self.folder / "teacher", role=Role.TEACHER)

    def release(
        self,
        name: str = "one",
        channel: Channel = Channel.SERVICE,
        *,
        kind: str = "good",
        class_names: tuple[str, ...] = CLASSES,
        version: int | None = None,
        role: Role = Role.DETECTOR,
    ) -> ReleaseManifest:
        """Sign a fake bundle and mirror it."""
        data = fake_bundle(name, kind=kind, class_names=class_names)
        manifest = ReleaseManifest.of(
            describe(name, class_names),
            digest=digest_of(data),
            length_bytes=len(data),
            channel=channel,
            version=version or next(self.versions),
            role=role,
        )
        self.repository.publish(manifest)
        (self.mirror / "targets" / manifest.digest).write_bytes(data)
        self.mirror_metadata()
        return manifest

    def promote(self, manifest: ReleaseManifest) -> None:
        self.repository.publish(manifest.model_copy(update={"channel": Channel.SERVICE}))
        self.mirror_metadata()

    def mirror_metadata(self) -> None:
        for name, data in self.repository.metadata_files().items():
            (self.mirror / "metadata" / name).write_bytes(data)

    def order(self, digest: str, channel: Channel = Channel.SERVICE, **changes: object) -> RolloutOrder:
        """Sign an order and mirror it for the site."""
        fields = {
            "site": SITE,
            "sequence": next(self.sequences),
            "digest": digest,
            "channel": channel,
            "issued_at_utc": self.now,
            "expires_at_utc": self.now + 3600,
        }
        order = RolloutOrder.model_validate({**fields, **changes})
        self.put_order(sign_order(order, self.repository.director), order.role)
        return order

    def sign_ticket(self, digest: str, *sites: str, expires_at_utc: int = NOW + 3600) -> None:
        """Sign a downgrade ticket and mirror it."""
        self.repository.sign_ticket(digest, sites, expires_at_utc)
        self.mirror_metadata()

    def withdraw_ticket(self, digest: str) -> None:
        """Withdraw a downgrade ticket, and mirror that."""
        self.repository.withdraw_ticket(digest)
        self.mirror_metadata()

    def put_order(self, envelope: bytes, role: Role = Role.DETECTOR) -> None:
        (self.mirror / "orders" / f"{order_key(SITE, role)}.json").write_bytes(envelope)

    def target(self, manifest: ReleaseManifest) -> Path:
        return self.mirror / "targets" / manifest.digest

    def metadata(self, name: str) -> Path:
        return self.mirror / "metadata" / name
