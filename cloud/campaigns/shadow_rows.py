"""Evaluations of a shadow run as rows: counts of tracks, and for how many camera-hours they were counted.

A report of a shadow run has no duration. It lasts from the receipt with which the site began it to the minute
of its newest report; the cameras are those that were connected in the site's last heartbeat.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from cloud.store.records import SHADOW_OF, EvaluationRow
from cloud.store.report_records import SiteHeartbeat, SwapRow
from messaging.reports import ShadowReport, ShadowTally, SwapOutcome
from messaging.taxonomy import Condition, Light, Weather


def shadow_rows(
    campaign: str, runs: Mapping[str, ShadowReport], hours: Mapping[str, float]
) -> list[EvaluationRow]:
    """A row for each site, model, class and condition; `hours` are the camera-hours of a site's whole run."""
    rows = []
    for site, run in runs.items():
        for tally in run.tallies:
            for digest, detected, unsupported in (
                (run.incumbent_digest, tally.incumbent_detected, tally.incumbent_unsupported),
                (run.candidate_digest, tally.candidate_detected, tally.candidate_unsupported),
            ):
                metrics: dict[str, Any] = {
                    "supported": tally.supported,
                    "detected": detected,
                    "unsupported": unsupported,
                    "recall": detected / tally.supported if tally.supported else None,
                    "camera_hours": hours.get(site),
                }
                condition = shadow_condition(tally).key
                row = EvaluationRow(
                    campaign, digest, f"{SHADOW_OF}{site}", tally.class_name, condition, metrics
                )
                rows.append(row)
    return rows


def camera_hours(
    runs: Mapping[str, ShadowReport], swaps: Iterable[SwapRow], beats: Iterable[SiteHeartbeat]
) -> dict[str, float]:
    """By site, the hours of its shadow run times its cameras; a site of which either is unknown is left out.

    `swaps` are in order of arrival: a run that a site began again counts from its last beginning.
    """
    begun = {
        swap.site: swap.at_utc
        for swap in swaps
        if swap.outcome is SwapOutcome.SHADOWING
        and swap.site in runs
        and swap.digest == runs[swap.site].candidate_digest
    }
    cameras = {beat.site: sum(one.connected for one in beat.heartbeat.cameras) for beat in beats}
    found = {
        site: (run.minute_utc - begun[site]) / 3600 * cameras.get(site, 0)
        for site, run in runs.items()
        if site in begun
    }
    return {site: round(hours, 4) for site, hours in found.items() if hours > 0}


def shadow_condition(tally: ShadowTally) -> Condition:
    """The condition of a tally of a shadow run."""
    return Condition(Light(tally.light), Weather(tally.weather))
