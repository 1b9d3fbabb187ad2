"""The lineage of a model: sites, releases, campaign, labelled sets, images, orders, misdetections."""

from collections.abc import Iterator, Mapping, Sequence

from cloud.api.access.caller import VisibleSites, is_visible
from cloud.api.computed.release_campaign import Stages, campaign_of
from cloud.api.paging import encode_cursor, integer_cursor
from cloud.api.services import Services
from cloud.api.views import model_view
from cloud.campaigns.outputs import FilterOutput, PlanOutput, VerifiedSet
from cloud.failure_modes.rules import ModeKey
from cloud.store.records import (
    Campaign,
    CampaignStage,
    Release,
    SyntheticImage,
)
from messaging.api.lineage import (
    LineageCampaign,
    LineageHazard,
    LineageImage,
    LineageMode,
    LineageOrder,
    LineageRelease,
    LineageResource,
)

_MAX_PARENTS = 1000
_MAX_ROLLOUTS = 1000
NO_CAMPAIGN = "no campaign of this cloud made this model; how it was trained is not recorded here"
EVIDENCE_TODAY = "the misdetections are those stored today; older ones may have been deleted since"


def lineage_view(
    services: Services, digest: str, visible: VisibleSites, *, cursor: str | None, limit: int
) -> LineageResource:
    """The lineage of a released model, with one page of its images. Raises `NotKnown`."""
    release = services.releases.release(digest)
    campaign, stages = campaign_of(services, release)
    sets = _sets(stages)
    trained = stages.get(CampaignStage.TRAIN)
    rows = [] if campaign is None else _images(services, campaign.id, cursor, limit + 1)
    counts = {} if campaign is None else services.campaign_rows.image_counts(campaign.id)
    record = trained.metrics.get("trained_on") if trained else None
    left_out = frozenset(record.get("left_out", ())) if record else frozenset()
    return LineageResource(
        digest=release.digest,
        weights_digest=trained.output.get("weights_digest") if trained else None,
        sites=model_view(release, services.reports.fleet.running(visible)).sites,
        parents=tuple(_parents(services, release)),
        rollouts=tuple(
            one.id for one in services.releases.rollouts(limit=_MAX_ROLLOUTS) if one.digest == release.digest
        ),
        campaign=None if campaign is None else LineageCampaign.model_validate(campaign),
        failure_modes=() if campaign is None else tuple(_modes(services, campaign, visible)),
        orders=tuple(_orders(stages, sets)),
        trained_on=record,
        images_kept=sum(number for (kept, _), number in counts.items() if kept),
        images=tuple(_image(row, sets, left_out) for row in rows[:limit]),
        next=encode_cursor(rows[limit - 1].id) if len(rows) > limit else None,
        notes=(NO_CAMPAIGN,) if campaign is None else (EVIDENCE_TODAY,),
    )


def _parents(services: Services, release: Release) -> Iterator[LineageRelease]:
    """The model, its parent, and so on, as far as releases are known; each digest once."""
    known: dict[str, Release] = {}
    for one in services.releases.releases():
        if one.digest not in known or one.channel == "service":
            known[one.digest] = one
    seen: set[str] = set()
    digest: str | None = release.digest
    while digest in known and digest not in seen and len(seen) < _MAX_PARENTS:
        seen.add(digest)
        yield LineageRelease.model_validate(known[digest])
        digest = known[digest].parent_digest


def _modes(services: Services, campaign: Campaign, visible: VisibleSites) -> Iterator[LineageMode]:
    known = {mode.key.id: mode for mode in services.register.modes()}
    for name in campaign.plan.modes:
        key, mode = ModeKey.parse(name), known.get(name)
        yield LineageMode(
            id=name,
            class_name=key.class_name,
            condition=key.condition.key,
            kind=key.kind,
            misdetections=0 if mode is None else mode.count,
            sources={} if mode is None else dict(mode.sources),
            sites=() if mode is None else tuple(s for s in mode.sites if is_visible(s, visible)),
        )


def _sets(stages: Stages) -> Mapping[str, VerifiedSet]:
    """The verified labelled sets of a campaign by failure mode."""
    filtered = stages.get(CampaignStage.FILTER)
    if filtered is None or not filtered.output:
        return {}
    return {one.mode: one for one in FilterOutput.model_validate(filtered.output).sets}


def _orders(stages: Stages, sets: Mapping[str, VerifiedSet]) -> Iterator[LineageOrder]:
    planned = stages.get(CampaignStage.PLAN)
    if planned is None or not planned.output:
        return
    for one in PlanOutput.model_validate(planned.output).orders:
        order, made = one.order, sets.get(one.mode)
        yield LineageOrder(
            mode=one.mode,
            order=order.order,
            digest=order.digest,
            class_name=order.class_name,
            condition=order.condition.key,
            count=order.count,
            seed=order.seed,
            prototype_used=order.prototype is not None,
            set_digest=None if made is None else made.digest,
            images=None if made is None else made.images,
        )


def _images(services: Services, campaign: str, cursor: str | None, limit: int) -> Sequence[SyntheticImage]:
    return services.campaign_rows.images(campaign, kept=True, after=integer_cursor(cursor), limit=limit)


def _image(row: SyntheticImage, sets: Mapping[str, VerifiedSet], left_out: frozenset[str]) -> LineageImage:
    made = sets.get(row.mode)
    return LineageImage(
        id=row.id,
        name=row.name,
        mode=row.mode,
        set_digest=None if made is None else made.digest,
        generator=str(row.provenance.get("generator", "")),
        background=str(row.provenance.get("background", "")),
        hazards=tuple(
            LineageHazard(class_name=one["class"], prompt=one["prompt"], seed=one["seed"])
            for one in row.provenance.get("hazards", ())
        ),
        left_out=made is not None and f"{made.folder}/images/{row.name}.jpg" in left_out,
    )
