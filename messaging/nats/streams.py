"""The streams and buckets of a site's broker and of the hub, generated from the payload table.

Both are created idempotently by the broker's owner: a site's by its gate, the hub's by the cloud.
"""

from messaging.blobs import NamedFiles
from messaging.bus import Bus, StreamSpec
from messaging.nats.subjects import (
    CHECKPOINTS,
    DEAD_LETTERS,
    FLEET_REPORTS,
    HEARTBEATS,
    ORDERS,
    RECEIPTS,
    RENEWALS,
    REQUESTS,
    SITE_AND_KIND_TOKENS,
    SITE_STREAMS,
    lane_subjects,
)
from messaging.wire_format.codec import MAX_MESSAGE_BYTES, PAYLOADS, Lane

REPORTS_PER_KIND = 5000
_DAY_S = 86_400.0
_MIB = 2**20


def site_streams(site: str, *, max_bytes: int = 512 * _MIB) -> tuple[StreamSpec, ...]:
    """One stream a lane; full means refuse, so that the outbox sheds by the table's order."""
    return tuple(
        StreamSpec(name, lane_subjects(site, lane), max_bytes, MAX_MESSAGE_BYTES)
        for lane, name in SITE_STREAMS.items()
    )


def hub_streams(
    *, max_bytes: int = 4096 * _MIB, reports_per_kind: int = REPORTS_PER_KIND
) -> tuple[StreamSpec, ...]:
    """What all sites' gates publish into, and what intake sets aside.

    Reports are stored by site and kind, at most `reports_per_kind` of each: what one site sends too much of
    is refused, and what others send is not.
    """
    kinds = [row for row in PAYLOADS.values() if row.lane is not Lane.LATEST]
    age_s = max(row.retention_days for row in kinds) * _DAY_S
    reports = tuple(f"site.*.report.{row.kind}.*" for row in kinds)
    return (
        StreamSpec(
            *(FLEET_REPORTS, reports, max_bytes, MAX_MESSAGE_BYTES),
            max_age_s=age_s,
            subject_tokens=SITE_AND_KIND_TOKENS,
            max_per_subject=reports_per_kind,
        ),
        StreamSpec(
            *(DEAD_LETTERS, ("dead.>",), 256 * _MIB, 2 * MAX_MESSAGE_BYTES), max_age_s=age_s, deny_purge=True
        ),
    )


async def prepare_site(bus: Bus, site: str, *, max_bytes: int = 512 * _MIB) -> None:
    """Set up a site's streams and its heartbeat; safe to repeat."""
    for spec in site_streams(site, max_bytes=max_bytes):
        await bus.ensure_stream(spec)
    await bus.ensure_latest(HEARTBEATS)


async def prepare_hub(
    bus: Bus,
    *files: NamedFiles,
    max_bytes: int = 4096 * _MIB,
    reports_per_kind: int = REPORTS_PER_KIND,
) -> None:
    """Set up the hub's streams, last values and the given object buckets; safe to repeat."""
    for spec in hub_streams(max_bytes=max_bytes, reports_per_kind=reports_per_kind):
        await bus.ensure_stream(spec)
    for bucket in (HEARTBEATS, CHECKPOINTS, RECEIPTS, ORDERS, RENEWALS, REQUESTS):
        await bus.ensure_latest(bucket)
    for bucket_files in files:
        await bucket_files.ensure()
