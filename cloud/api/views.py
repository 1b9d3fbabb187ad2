"""Resources of the API that are computed from more than one record, or from a record and the time. Pure.

A resource whose fields are those of a record is built by its own `model_validate`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloud.api.access.caller import VisibleSites, is_visible
from cloud.failure_modes.rules import FailureMode, cannot_close
from cloud.store.delivery_records import HazardDelivery
from cloud.store.ledger_store import Audit
from cloud.store.lists.fleet_lists import RunningModels, SiteBeat, SiteCamera, StatedBudget
from cloud.store.records import (
    CONTROL,
    Campaign,
    CampaignStage,
    EvaluationRow,
    Release,
    Rollout,
    RolloutEvent,
    StageRecord,
    StageState,
    SyntheticImage,
)
from cloud.store.report_records import Site, SiteGuard, SiteHeartbeat
from messaging.api.sites import CameraResource
from messaging.integration_resources import DeliveryResource
from messaging.intervals import wilson
from messaging.receipts import LedgerReceipt
from messaging.release_resources import (
    GuardResource,
    ModelResource,
    RolloutEventResource,
    RolloutResource,
    RolloutSiteResource,
)
from messaging.releases import Role
from messaging.reports import GuardReport
from messaging.resources import (
    API_PREFIX,
    CampaignResource,
    ComparisonResource,
    FailureModeResource,
    ImageResource,
    SiteResource,
    StageResource,
    VerifiedLedgerResource,
)

ONLINE_S = 60.0
LEAST_PROGRESS = 0.02


def site_view(
    site: Site,
    beat: SiteHeartbeat | SiteBeat | None,
    now: float,
    ledger: LedgerReceipt | None = None,
    open_failure_modes: int | None = None,
) -> SiteResource:
    """A site with its last heartbeat and checkpoint; online if the former is at most `ONLINE_S` old."""
    values = {**site.values(), "online": False, "open_failure_modes": open_failure_modes}
    if ledger is not None:
        values |= {"ledger_verified_n": ledger.n, "ledger_verified_at": ledger.verified_at_utc}
    if beat is not None:
        values |= {
            **dict(beat.heartbeat),
            "online": now - beat.received_at <= ONLINE_S,
            "last_seen_at": beat.received_at,
            "cameras": len(beat.heartbeat.cameras),
            "cannot_close": cannot_close(beat.heartbeat),
        }
    return SiteResource.model_validate(values)


def ledger_view(found: Audit) -> VerifiedLedgerResource:
    """What an audit of a site's ledger found."""
    last = found.last
    values = {"site": found.site, "key": found.key, "fault": found.fault}
    if last is not None:
        values |= {name: getattr(last, name) for name in ("n", "hash", "at_utc", "verified_at")}
    return VerifiedLedgerResource.model_validate(values)


def camera_view(camera: SiteCamera, budget: StatedBudget | None) -> CameraResource:
    """One camera of a site, with the privacy budget that its last prototype states."""
    values = {"site": camera.site, **dict(camera.health), **dict(camera.health.flow or {})}
    if budget is not None:
        values |= {"epsilon_spent": budget.epsilon_spent, "epsilon_spent_at": budget.at_utc}
    return CameraResource(**values)


def mode_view(mode: FailureMode, target: float, suggested: str | None) -> FailureModeResource:
    """One failure mode with the target of its class and the class suggested for an unknown one."""
    return FailureModeResource.model_validate(
        {
            **vars(mode.key),
            **vars(mode),
            **mode.state.values(),
            "id": mode.key.id,
            "status_since": mode.state.since,
            "harm": round(mode.harm, 4),
            "frequency_per_hour": round(mode.frequency_per_hour, 4),
            "target": target,
            "suggested_class": suggested,
        }
    )


def campaign_view(
    campaign: Campaign,
    records: Sequence[StageRecord],
    counts: Mapping[tuple[bool, str], int],
    now: float,
) -> CampaignResource:
    """One campaign with all ten stages; those to come are `pending`."""
    latest = {record.stage: record for record in records}
    trained = latest.get(CampaignStage.TRAIN)
    return CampaignResource.model_validate(
        {
            **campaign.values(),
            **vars(campaign.plan),
            "candidate_digest": trained.output.get("bundle_digest") if trained else None,
            "stages": tuple(_stage_view(stage, latest.get(stage), now) for stage in CampaignStage),
            "images_kept": sum(number for (kept, _), number in counts.items() if kept),
            "images_refused": {reason: number for (kept, reason), number in counts.items() if not kept},
        }
    )


def _stage_view(stage: CampaignStage, record: StageRecord | None, now: float) -> StageResource:
    if record is None:
        return StageResource(stage=stage, state="pending")
    left = None
    if record.state is StageState.RUNNING and record.progress > LEAST_PROGRESS:
        left = round((now - record.started_at) * (1 - record.progress) / record.progress, 1)
    return StageResource.model_validate(record).model_copy(update={"seconds_left": left})


def image_view(image: SyntheticImage) -> ImageResource:
    """One synthetic image with the address of its thumbnail."""
    address = (
        f"{API_PREFIX}/campaigns/{image.campaign}/images/{image.id}/thumbnail" if image.thumbnail else None
    )
    return ImageResource.model_validate(image).model_copy(update={"thumbnail": address})


def model_view(release: Release, running: Iterable[RunningModels]) -> ModelResource:
    """One release with the sites that run it."""
    sites = tuple(one.site for one in running if release.digest in (one.model_digest, one.teacher_digest))
    return ModelResource.model_validate(release).model_copy(update={"sites": sites})


def rollout_view(rollout: Rollout, visible: VisibleSites) -> RolloutResource:
    """One rollout of a list, with the number of visible sites in each state."""
    return _with_states(rollout, _visible_progress(rollout, visible))


def whole_rollout_view(
    rollout: Rollout,
    events: Iterable[RolloutEvent],
    visible: VisibleSites,
    guards: Iterable[SiteGuard] = (),
) -> RolloutResource:
    """One rollout with its visible sites, what their guards measured, and its history."""
    measured = {one.site: guard_view(one.report) for one in guards}
    progress = _visible_progress(rollout, visible)
    sites = tuple(
        RolloutSiteResource.model_validate({**site, "guard": measured.get(site["site"])}) for site in progress
    )
    return _with_states(rollout, progress).model_copy(
        update={
            "sites": sites,
            "events": tuple(RolloutEventResource.model_validate(event) for event in events),
        }
    )


def guard_view(report: GuardReport) -> GuardResource:
    """What a guard measured, with the ratio of alarms and intervals of recall."""
    values, before = dict(report), report.previous_alarms_per_frame
    if before > 0:
        values["alarm_ratio"] = float(f"{report.alarms_per_frame / before:.2g}")
    if (found := report.teacher_recall) is not None:
        values |= dict(found)
        for name in ("recall", "previous_recall"):
            values[f"{name}_interval"] = wilson(values[name] * found.supported, found.supported)
    return GuardResource.model_validate(values)


def _with_states(rollout: Rollout, progress: Iterable[Mapping[str, Any]]) -> RolloutResource:
    """One rollout, with the number of these sites in each state."""
    state = rollout.state
    return RolloutResource.model_validate(rollout).model_copy(
        update={
            "role": state.get("role", Role.DETECTOR),
            "awaiting": state.get("awaiting"),
            "site_states": dict(Counter(site["state"] for site in progress)),
        }
    )


def _visible_progress(rollout: Rollout, visible: VisibleSites) -> list[Mapping[str, Any]]:
    """The states of its sites, which are part of the state machine's JSON."""
    return [site for site in rollout.state.get("sites", ()) if is_visible(site["site"], visible)]


def comparison_views(
    campaign: Campaign, candidate: str | None, evaluations: Iterable[EvaluationRow]
) -> list[ComparisonResource]:
    """Metrics of incumbent and candidate side by side, by role, class and condition."""
    cells: dict[tuple[str, str, str], dict[str, EvaluationRow]] = {}
    for one in evaluations:
        if one.role != CONTROL:
            cells.setdefault((one.role, one.class_name, one.condition), {})[one.model_digest] = one
    incumbent = campaign.plan.incumbent_digest
    return [
        ComparisonResource(
            campaign=campaign.id,
            incumbent_digest=incumbent,
            candidate_digest=candidate,
            role=role,
            class_name=class_name,
            condition=condition,
            before=_metrics(models, incumbent),
            after=_metrics(models, candidate),
        )
        for (role, class_name, condition), models in sorted(cells.items())
    ]


def _metrics(models: Mapping[str, EvaluationRow], digest: str | None) -> dict[str, object] | None:
    found = models.get(digest or "")
    return dict(found.metrics) if found else None


def delivery_view(row: HazardDelivery) -> DeliveryResource:
    """One delivery, with the site and the event of its hazard."""
    return DeliveryResource(
        **{**row.values(), "id": row.id, "site": row.hazard.site, "event": row.hazard.event}
    )
