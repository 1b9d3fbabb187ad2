"""What the store knows of the fleet's sites, as rollouts are decided by it."""

from collections import defaultdict

from cloud.fleet.rollout import FleetStatus
from cloud.store.release_store import ReleaseStore
from cloud.store.report_store import ReportStore
from messaging.releases import Channel
from messaging.reports import SwapOutcome, SwapReason, SwapReceipt


def fleet_status(reports: ReportStore, releases: ReleaseStore) -> FleetStatus:
    """Receipts, heartbeats, order sequences and revocations of all sites, now."""
    receipts: dict[str, list[SwapReceipt]] = defaultdict(list)
    for row in reports.swaps():
        receipts[row.site].append(
            SwapReceipt(
                sequence=row.sequence,
                digest=row.digest,
                previous_digest=row.previous_digest,
                channel=Channel(row.channel),
                outcome=SwapOutcome(row.outcome),
                reason=SwapReason(row.reason),
                frames_lost=row.frames_lost,
                at_utc=row.at_utc,
            )
        )
    return FleetStatus(
        receipts=receipts,
        heartbeats={beat.site: beat.received_at for beat in reports.heartbeats()},
        sequences={site.site: releases.last_sequence(site.site) for site in reports.sites()},
        revoked=reports.revoked_sites(),
    )
