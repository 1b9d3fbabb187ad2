"""Releases, rollouts and the orders that were sent, as the store remembers them.

Nothing here signs or decides. A release is unique by digest and channel, an order by site and sequence.
"""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, func, select

from cloud.errors import NotKnown
from cloud.store.database import Database
from cloud.store.records import IssuedOrder, Release, Rollout
from cloud.store.tables import orders, releases, rollouts


class ReleaseStore:
    """Releases and rollouts in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put_release(self, release: Release) -> None:
        """Remember a release; the same digest and channel again changes nothing."""
        with self._db.writing() as connection:
            connection.execute(
                self._db.insert(releases)
                .values(
                    digest=release.digest,
                    channel=release.channel,
                    name=release.name,
                    version=release.version,
                    length_bytes=release.length_bytes,
                    parent_digest=release.parent_digest,
                    campaign=release.campaign,
                    description_json=json.dumps(dict(release.description), sort_keys=True),
                    signed_at=release.signed_at,
                )
                .on_conflict_do_nothing()
            )

    def releases(self) -> list[Release]:
        """All releases, newest version first."""
        query = select(releases).order_by(releases.c.version.desc(), releases.c.channel)
        with self._db.reading() as connection:
            return [_release(row) for row in connection.execute(query)]

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

    def current_service(self) -> Release | None:
        """The newest release for service that has reached the fleet, or the first one.

        A release of a campaign counts once its rollout is done; one whose rollout goes on, halted or went
        back does not.
        """
        phases: dict[str, str] = {}
        for rollout in reversed(self.rollouts(limit=1000)):
            if rollout.state.get("channel") == "service":
                phases[rollout.digest] = rollout.phase
        for release in self.releases():
            reached = phases.get(release.digest) == "done" if release.digest in phases else None
            if release.channel == "service" and (reached or (reached is None and release.campaign is None)):
                return release
        return None

    def put_rollout(self, rollout: Rollout) -> None:
        """Store or update a rollout."""
        values = {
            "id": rollout.id,
            "campaign": rollout.campaign,
            "digest": rollout.digest,
            "previous_digest": rollout.previous_digest,
            "phase": rollout.phase,
            "paused": rollout.paused,
            "state_json": json.dumps(dict(rollout.state), sort_keys=True),
            "reason": rollout.reason,
            "created_at": rollout.created_at,
            "updated_at": self._db.now(),
        }
        with self._db.writing() as connection:
            connection.execute(
                self._db.insert(rollouts)
                .values(values)
                .on_conflict_do_update(index_elements=["id"], set_=values)
            )

    def set_paused(self, rollout: str, paused: bool) -> None:
        """Pause or go on; the loop that drives the rollout looks at this before every step."""
        with self._db.writing() as connection:
            connection.execute(rollouts.update().where(rollouts.c.id == rollout).values(paused=paused))

    def rollouts(self, *, after: str | None = None, limit: int = 100) -> list[Rollout]:
        """Rollouts, newest first."""
        query = select(rollouts).order_by(rollouts.c.created_at.desc(), rollouts.c.id.desc()).limit(limit)
        if after is not None:
            query = query.where(rollouts.c.id < after)
        with self._db.reading() as connection:
            return [_rollout(row) for row in connection.execute(query)]

    def rollout(self, rollout: str) -> Rollout:
        """One rollout. Raises `NotKnown`."""
        with self._db.reading() as connection:
            row = connection.execute(select(rollouts).where(rollouts.c.id == rollout)).first()
        if row is None:
            raise NotKnown(f"rollout {rollout[:40]!r} is not known; `blindspot rollout status` shows them")
        return _rollout(row)

    def put_order(self, order: IssuedOrder) -> None:
        """Remember an order before it is sent."""
        with self._db.writing() as connection:
            connection.execute(
                self._db.insert(orders)
                .values(
                    site=order.site,
                    sequence=order.sequence,
                    digest=order.digest,
                    channel=order.channel,
                    issued_at=order.issued_at,
                    payload_json=json.dumps(dict(order.payload), sort_keys=True),
                )
                .on_conflict_do_nothing()
            )

    def last_sequence(self, site: str) -> int:
        """The highest order sequence a site was sent; 0 before the first."""
        with self._db.reading() as connection:
            query = select(func.max(orders.c.sequence)).where(orders.c.site == site)
            return int(connection.execute(query).scalar() or 0)

    def last_orders(self) -> Mapping[str, IssuedOrder]:
        """The newest order of each site."""
        newest = select(orders.c.site, func.max(orders.c.sequence).label("sequence")).group_by(orders.c.site)
        last = newest.subquery()
        query = select(orders).join(
            last, (orders.c.site == last.c.site) & (orders.c.sequence == last.c.sequence)
        )
        with self._db.reading() as connection:
            return {row.site: _order(row) for row in connection.execute(query)}


def _release(row: Row[Any]) -> Release:
    return Release(
        digest=row.digest,
        channel=row.channel,
        name=row.name,
        version=row.version,
        length_bytes=row.length_bytes,
        parent_digest=row.parent_digest,
        campaign=row.campaign,
        description=json.loads(row.description_json),
        signed_at=row.signed_at,
    )


def _rollout(row: Row[Any]) -> Rollout:
    return Rollout(
        id=row.id,
        campaign=row.campaign,
        digest=row.digest,
        previous_digest=row.previous_digest,
        phase=row.phase,
        paused=bool(row.paused),
        state=json.loads(row.state_json),
        reason=row.reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _order(row: Row[Any]) -> IssuedOrder:
    return IssuedOrder(
        site=row.site,
        sequence=row.sequence,
        digest=row.digest,
        channel=row.channel,
        issued_at=row.issued_at,
        payload=json.loads(row.payload_json),
    )
