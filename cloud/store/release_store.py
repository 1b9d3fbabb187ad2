"""Stored releases, rollouts and the orders that were sent.

Nothing here signs or decides. A release is unique by digest and channel, an order by site and sequence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import func, select, tuple_

from cloud.errors import NotKnown
from cloud.store.access_records import AuditEntry
from cloud.store.database import Database
from cloud.store.lists.filters import ModelFilter
from cloud.store.receipt_store import StoreIdentity, restores_of
from cloud.store.records import Downgrade, IssuedOrder, Release, Rollout, RolloutEvent
from cloud.store.report_records import SwapRow
from messaging.releases import Role

SEQUENCES_SKIPPED = 100_000


class ReleaseStore:
    """Releases and rollouts in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put_release(self, release: Release, entry: AuditEntry | None = None) -> None:
        """Store a release and its audit entry; the same digest and channel again changes nothing."""
        with self._db.writing() as session:
            if self._db.add(session, release) and entry is not None:
                self._db.add(session, entry)

    def releases(self) -> list[Release]:
        """All releases, newest version first."""
        query = select(Release).order_by(Release.version.desc(), Release.channel)
        with self._db.reading() as session:
            return list(session.scalars(query))

    def page(
        self, wanted: ModelFilter, *, after: tuple[int, str, str] | None = None, limit: int
    ) -> list[Release]:
        """Releases, newest version first; `after`: version, channel and digest of the last one seen."""
        row = Release
        query = select(row).order_by(row.version.desc(), row.channel, row.digest).limit(limit)
        if wanted.role is not None:
            query = query.where(row.role == wanted.role)
        if wanted.channel is not None:
            query = query.where(row.channel == wanted.channel)
        if after is not None:
            version, *rest = after
            later = tuple_(row.channel, row.digest) > tuple(rest)
            query = query.where((row.version < version) | ((row.version == version) & later))
        with self._db.reading() as session:
            return list(session.scalars(query))

    def release(self, digest: str) -> Release:
        """The release of a digest, `service` before `trial`; a prefix of 8 or more names it too."""
        found = [r for r in self.releases() if len(digest) >= 8 and r.digest.startswith(digest)]
        if not found:
            raise NotKnown(
                f"model {digest[:64]!r} is not among the releases; `blindspot models list` shows them"
            )
        if len({r.digest for r in found}) > 1:
            raise NotKnown(f"model {digest!r} is ambiguous; give more of the digest")
        return min(found, key=lambda r: r.channel != "service")

    def current_service(self, role: Role = Role.DETECTOR, *, before: str | None = None) -> Release | None:
        """The newest release of a role for service that has reached the fleet, or the first one.

        A release of a campaign counts once its rollout is done; one whose rollout goes on, halted or went
        back does not, nor one that the fleet was downgraded from. With `before`, a digest: what is in service
        if that release is not.
        """
        releases, phases = self.releases(), dict[str, str]()
        for rollout in reversed(self.rollouts(limit=1000)):
            if rollout.state.get("channel") == "service":
                phases[rollout.digest] = rollout.phase
                phases |= _withdrawn(rollout, releases)
        for release in releases:
            if release.role is not role or release.digest == before:
                continue
            reached = phases.get(release.digest) == "done" if release.digest in phases else None
            if release.channel == "service" and (reached or (reached is None and release.campaign is None)):
                return release
        return None

    def put_rollout(self, rollout: Rollout, events: Sequence[RolloutEvent] = ()) -> None:
        """Store a rollout in place of the one before, and what was done to it, in one transaction."""
        with self._db.writing() as session:
            self._db.put(session, replace(rollout, updated_at=self._db.now()), key=["id"])
            self._db.add_all(session, events)

    def rollout_events(self, rollout: str) -> list[RolloutEvent]:
        """What was done to a rollout, oldest first."""
        query = select(RolloutEvent).where(RolloutEvent.rollout == rollout).order_by(RolloutEvent.id)
        with self._db.reading() as session:
            return list(session.scalars(query))

    def rollouts(
        self,
        *,
        phase: str | None = None,
        campaign: str | None = None,
        after: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> list[Rollout]:
        """Rollouts (in a phase, of a campaign), newest first; `after`: begin and id of the last one seen."""
        row = Rollout
        query = select(row).order_by(row.created_at.desc(), row.id.desc()).limit(limit)
        if phase is not None:
            query = query.where(row.phase == phase)
        if campaign is not None:
            query = query.where(row.campaign == campaign)
        if after is not None:
            query = query.where(tuple_(row.created_at, row.id) < tuple_(*after))
        with self._db.reading() as session:
            return list(session.scalars(query))

    def next_rollout_at(self, rollout: Rollout) -> int | None:
        """When the same release was rolled out again after that, in seconds since 1970."""
        row = Rollout
        query = select(func.min(row.created_at)).where(
            row.digest == rollout.digest, row.created_at > rollout.created_at
        )
        with self._db.reading() as session:
            return session.scalar(query)

    def rollout(self, rollout: str) -> Rollout:
        """One rollout. Raises `NotKnown`."""
        with self._db.reading() as session:
            found = session.get(Rollout, rollout)
        if found is None:
            raise NotKnown(f"rollout {rollout[:40]!r} is not known; `blindspot rollout status` shows them")
        return found

    def put_order(self, order: IssuedOrder) -> None:
        """Store an order before it is sent."""
        with self._db.writing() as session:
            self._db.add(session, order)

    def last_sequence(self, site: str) -> int:
        """The highest sequence of the orders of both roles that may have been sent to a site.

        0 before the first. A restored database does not know the orders since its backup: those that a site
        has answered count too, and each restore adds `SEQUENCES_SKIPPED`.
        """
        with self._db.reading() as session:
            sent = select(func.max(IssuedOrder.sequence)).where(IssuedOrder.site == site)
            answered = select(func.max(SwapRow.sequence)).where(SwapRow.site == site)
            restores = restores_of(session.scalars(select(StoreIdentity.identity)).one())
            known = (session.scalar(sent) or 0, session.scalar(answered) or 0)
            return max(*known, restores * SEQUENCES_SKIPPED)

    def last_orders(self, role: Role = Role.DETECTOR) -> Mapping[str, IssuedOrder]:
        """The newest order of a role of each site."""
        key = (IssuedOrder.site, IssuedOrder.sequence)
        newest = select(IssuedOrder.site, func.max(IssuedOrder.sequence)).where(IssuedOrder.role == role)
        newest = newest.group_by(IssuedOrder.site)
        query = select(IssuedOrder).where(tuple_(*key).in_(newest))
        with self._db.reading() as session:
            return {order.site: order for order in session.scalars(query)}


def _withdrawn(rollout: Rollout, releases: Sequence[Release]) -> dict[str, str]:
    """The releases that a rollout of an older one took out of service, once it is done."""
    if rollout.phase != "done" or rollout.state.get("downgrade") != Downgrade.FLEET:
        return {}
    older = next(release for release in releases if release.digest == rollout.digest)
    newer = (r for r in releases if r.role is older.role and r.version > older.version)
    return {release.digest: "withdrawn" for release in newer}
