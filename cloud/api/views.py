"""Records -> resources: what the API says of what the store knows. Pure but for the time handed in."""

from collections.abc import Iterable, Mapping, Sequence

from cloud.failure_modes.estimated_recall import RecallEstimate
from cloud.failure_modes.rules import FailureMode
from cloud.store.records import (
    Campaign,
    CampaignStage,
    DeadLetter,
    EvaluationRow,
    HazardRow,
    LedgerTotal,
    Release,
    Rollout,
    Site,
    StageRecord,
    StageState,
    SyntheticImage,
)
from cloud.store.report_store import SiteHeartbeat
from messaging.resources import (
    API_PREFIX,
    CameraResource,
    CampaignResource,
    ComparisonResource,
    DeadLetterResource,
    EvaluationResource,
    FailureModeResource,
    GeometryResource,
    HazardResource,
    ImageResource,
    LedgerResource,
    ModelResource,
    RecallResource,
    RolloutResource,
    RolloutSiteResource,
    SiteResource,
    StageResource,
)

ONLINE_S = 60.0


def site_view(site: Site, beat: SiteHeartbeat | None, now: float) -> SiteResource:
    """A site; online if it was heard within the last minute."""
    if beat is None:
        return SiteResource(site=site.site, online=False, revoked=site.revoked, ledger_n=site.ledger_n)
    state = beat.heartbeat
    return SiteResource(
        site=site.site,
        online=now - beat.received_at <= ONLINE_S,
        revoked=site.revoked,
        last_seen_at=beat.received_at,
        model_digest=state.model_digest,
        candidate_digest=state.candidate_digest,
        channel=state.channel,
        uptime_s=state.uptime_s,
        resident_mb=state.resident_mb,
        outbox_messages=state.outbox_messages,
        shed=state.shed,
        epsilon_spent=state.epsilon_spent,
        cameras=len(state.cameras),
        ledger_n=site.ledger_n,
    )


def camera_views(beat: SiteHeartbeat) -> list[CameraResource]:
    """The cameras of a heartbeat."""
    return [
        CameraResource(site=beat.site, **camera.model_dump(mode="json")) for camera in beat.heartbeat.cameras
    ]


def hazard_view(row: HazardRow) -> HazardResource:
    """One hazard event."""
    return HazardResource(
        site=row.site,
        event=row.event,
        camera=row.camera,
        class_name=row.class_name,
        state=row.state,
        severity=row.severity,
        confidence=row.confidence,
        condition=row.condition.key,
        zone=row.zone,
        box=row.box,
        started_at=row.started_at_utc,
        at=row.at_utc,
        model_digest=row.model_digest,
    )


def recall_view(estimate: RecallEstimate) -> RecallResource:
    """An estimated recall with its interval."""
    low, high = estimate.interval
    return RecallResource(
        supported=estimate.supported,
        detected=estimate.detected,
        value=estimate.value,
        low=low,
        high=high,
        by_source=dict(estimate.by_source),
    )


def mode_view(mode: FailureMode, target: float, suggested: str | None) -> FailureModeResource:
    """One failure mode."""
    return FailureModeResource(
        id=mode.key.id,
        class_name=mode.key.class_name,
        condition=mode.key.condition.key,
        kind=mode.key.kind,
        status=mode.state.status,
        status_since=mode.state.since,
        campaign=mode.state.campaign,
        harm=round(mode.harm, 4),
        frequency_per_hour=round(mode.frequency_per_hour, 4),
        severity=mode.severity,
        count=mode.count,
        count_in_service=mode.count_in_service,
        sites=mode.sites,
        cameras=mode.cameras,
        sources=dict(mode.sources),
        geometry=tuple(
            GeometryResource(size=b.size, region=b.region, weight=b.weight) for b in mode.geometry
        ),
        first_seen_at=mode.first_seen_utc,
        last_seen_at=mode.last_seen_utc,
        recall=recall_view(mode.recall),
        target=target,
        rate=mode.rate,
        baseline_rate=mode.state.baseline_rate,
        assigned_class=mode.state.assigned_class,
        suggested_class=suggested,
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
    return CampaignResource(
        id=campaign.id,
        state=campaign.state,
        reason=campaign.reason,
        started_by=campaign.started_by,
        modes=campaign.plan.modes,
        count=campaign.plan.count,
        seed=campaign.plan.seed,
        attempt=campaign.attempt,
        incumbent_digest=campaign.plan.incumbent_digest,
        candidate_digest=trained.output.get("bundle_digest") if trained else None,
        created_at=campaign.created_at,
        updated_at=campaign.updated_at,
        ended_at=campaign.ended_at,
        stages=tuple(_stage_view(stage, latest.get(stage), now) for stage in CampaignStage),
        images_kept=sum(n for (kept, _), n in counts.items() if kept),
        images_refused={reason: n for (kept, reason), n in counts.items() if not kept},
    )


def _stage_view(stage: CampaignStage, record: StageRecord | None, now: float) -> StageResource:
    if record is None:
        return StageResource(stage=stage, state="pending")
    left = None
    if record.state is StageState.RUNNING and record.progress > 0.02:
        left = round((now - record.started_at) * (1 - record.progress) / record.progress, 1)
    return StageResource(
        stage=stage,
        state=record.state,
        progress=record.progress,
        note=record.note,
        figures=dict(record.figures),
        runs=record.runs,
        started_at=record.started_at,
        ended_at=record.ended_at,
        seconds_left=left,
    )


def image_view(row: int, image: SyntheticImage) -> ImageResource:
    """One synthetic image with the address of its thumbnail."""
    address = f"{API_PREFIX}/campaigns/{image.campaign}/images/{row}/thumbnail" if image.thumbnail else None
    return ImageResource(
        id=row,
        name=image.name,
        mode=image.mode,
        kept=image.kept,
        reason=image.reason,
        thumbnail=address,
        provenance=dict(image.provenance),
    )


def model_view(release: Release, beats: Iterable[SiteHeartbeat]) -> ModelResource:
    """One release with the sites that run it."""
    return ModelResource(
        digest=release.digest,
        channel=release.channel,
        name=release.name,
        version=release.version,
        length_bytes=release.length_bytes,
        parent_digest=release.parent_digest,
        campaign=release.campaign,
        signed_at=release.signed_at,
        sites=tuple(b.site for b in beats if b.heartbeat.model_digest == release.digest),
        description=dict(release.description),
    )


def rollout_view(rollout: Rollout) -> RolloutResource:
    """One rollout; the state of its sites is part of the state machine's JSON."""
    sites = rollout.state.get("sites", [])
    return RolloutResource(
        id=rollout.id,
        campaign=rollout.campaign,
        digest=rollout.digest,
        previous_digest=rollout.previous_digest,
        phase=rollout.phase,
        paused=rollout.paused,
        reason=rollout.reason,
        sites=tuple(
            RolloutSiteResource(
                site=row["site"], group=row["group"], state=row["state"], reason=row["reason"]
            )
            for row in sites
        ),
        created_at=rollout.created_at,
        updated_at=rollout.updated_at,
    )


def evaluation_view(one: EvaluationRow) -> EvaluationResource:
    """Figures of one model, class and condition."""
    return EvaluationResource(
        campaign=one.campaign,
        model_digest=one.model_digest,
        role=one.role,
        class_name=one.class_name,
        condition=one.condition,
        figures=dict(one.figures),
    )


def comparison_views(
    campaign: Campaign, candidate: str | None, evaluations: Iterable[EvaluationRow]
) -> list[ComparisonResource]:
    """Before and after side by side, class by condition by role."""
    cells: dict[tuple[str, str, str], dict[str, EvaluationRow]] = {}
    for one in evaluations:
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
            before=_figures(models, incumbent),
            after=_figures(models, candidate),
        )
        for (role, class_name, condition), models in sorted(cells.items())
    ]


def _figures(models: Mapping[str, EvaluationRow], digest: str | None) -> dict[str, object] | None:
    found = models.get(digest or "")
    return dict(found.figures) if found else None


def ledger_view(total: LedgerTotal) -> LedgerResource:
    """What a site sent of a kind."""
    return LedgerResource(
        site=total.site, kind=total.kind, count=total.count, length_bytes=total.length_bytes
    )


def dead_letter_view(letter: DeadLetter) -> DeadLetterResource:
    """One refused message."""
    return DeadLetterResource(
        id=letter.id,
        subject=letter.subject,
        message_id=letter.message_id,
        reason=letter.reason,
        length_bytes=letter.length_bytes,
        received_at=letter.received_at,
    )
