"""Who may publish and subscribe to what, generated from the payload table and the subject names.

Allow-lists only, no deny-lists: a subject that is not named here is forbidden. A site's gate has no
JetStream administration at the hub; it reads its own last values by Direct Get on a subject that names
its own keys, and the two public buckets as a whole. The same subjects are what the fleet's account exports
and a site's imports: an allow-list restricts what a client publishes, an account what the server answers.
"""

from dataclasses import dataclass

from messaging.nats.subjects import (
    CHECKPOINTS,
    HEARTBEATS,
    MODELS_BUCKET,
    ORDERS,
    RECEIPTS,
    RENEWALS,
    REQUESTS,
    TUF_BUCKET,
    command_subject,
    inbox_prefix,
    lane_subjects,
)
from messaging.releases import Role, order_key
from messaging.wire_format.codec import PAYLOADS, Lane

_DIRECT_GET = "$JS.API.DIRECT.GET"


@dataclass(frozen=True)
class Permissions:
    """Allow-lists of subjects, with NATS wildcards."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def services_of(site: str) -> tuple[str, ...]:
    """What a site asks of the hub, as subjects to publish on; `*` in place of the site: of all sites."""
    reports = tuple(s for lane in (Lane.HAZARDS, Lane.EVIDENCE) for s in lane_subjects(site, lane))
    values = (f"$KV.{CHECKPOINTS}.{site}", *((f"$KV.{HEARTBEATS}.{site}",) if _has_latest() else ()))
    keys = (
        (RECEIPTS, site),
        (HEARTBEATS, site),
        (RENEWALS, site),
        (REQUESTS, site),
        *((ORDERS, order_key(site, role)) for role in Role),
    )
    own_values = tuple(f"{_DIRECT_GET}.KV_{bucket}.$KV.{bucket}.{key}" for bucket, key in keys)
    objects = tuple(
        f"{_DIRECT_GET}.OBJ_{bucket}{rest}" for bucket in (MODELS_BUCKET, TUF_BUCKET) for rest in ("", ".>")
    )
    return (*reports, *values, *own_values, *objects)


def commands_of(site: str) -> tuple[str, ...]:
    """What the hub sends to a site without being asked."""
    return (command_subject(site, ">"),)


def gate_at_hub(site: str) -> Permissions:
    """What a site's gate may do at the hub."""
    return Permissions(services_of(site), (f"{inbox_prefix(site)}.>", *commands_of(site)))


def node_at_site(site: str) -> Permissions:
    """What a node may do at its site's broker: publish reports, receive the replies."""
    reports = tuple(s for lane in (Lane.HAZARDS, Lane.EVIDENCE) for s in lane_subjects(site, lane))
    heartbeat = (f"$KV.{HEARTBEATS}.{site}",) if _has_latest() else ()
    return Permissions(publish=(*reports, *heartbeat), subscribe=(f"{inbox_prefix(site)}.>",))


EVERYTHING = Permissions(publish=(">",), subscribe=(">",))


def _has_latest() -> bool:
    return any(row.lane is Lane.LATEST for row in PAYLOADS.values())
