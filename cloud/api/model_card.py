"""Makes the algorithm-register card of a release from stored facts; what no record states is None."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cloud.api.computed.release_campaign import Stages, campaign_of
from cloud.api.services import Services
from cloud.api.views import model_view
from cloud.campaigns.triggers import is_started_by_rule
from cloud.failure_modes.rules import FailureMode
from cloud.store.lists.filters import AuditFilter
from cloud.store.records import (
    SHADOW_OF,
    Campaign,
    CampaignStage,
    EvaluationRow,
    ModeStatus,
    Release,
)
from messaging.card_resources import (
    CardBlindSpot,
    CardClass,
    CardDataset,
    CardDecision,
    CardEvaluation,
    CardLicence,
    CardPrivacy,
    CardTraining,
    ModelCard,
)
from messaging.errors import FileFault
from messaging.intervals import wilson
from messaging.plurals import quantity
from messaging.releases import Channel, Role

logger = logging.getLogger(__name__)

GENERATED = "generated"
_WHOLE = "all"
_APPROVE, _REFUSED, _MAX_ENTRIES = "/approve", 400, 500


def model_card(services: Services, digest: str) -> ModelCard:
    """The card of the release with this digest, or with one that begins so. Raises `NotKnown`."""
    release = services.releases.release(digest)
    campaign, stages = campaign_of(services, release)
    beats = services.reports.heartbeats()
    training = _training(stages)
    evaluations = _evaluations(services, release)
    configured = services.settings.model_cards
    card = ModelCard(
        digest=release.digest,
        weights_digest=_output(stages, CampaignStage.TRAIN).get("weights_digest"),
        parent_digest=release.parent_digest,
        name=release.name,
        role=release.role,
        version=release.version,
        channel=release.channel,
        owner=configured.owner,
        contact=configured.contact,
        purpose=configured.purpose,
        function=_function(release),
        classes=tuple(_classes(release.description)),
        training=training,
        evaluations=tuple(evaluations),
        blind_spots=tuple(_blind_spots(services, release, evaluations)),
        privacy=CardPrivacy(
            sites=len(beats),
            epsilon_spent_max=max((beat.heartbeat.epsilon_spent for beat in beats), default=None),
            prototypes_used=_metrics(stages, CampaignStage.PLAN).get("with_prototype"),
        ),
        licences=tuple(_licences(services, release, stages, training)),
        campaign=release.campaign,
        decisions=tuple(_decisions(services, release, campaign)),
        sites=model_view(release, services.reports.fleet.running()).sites,
        made_at=int(services.clock()),
        not_recorded=(),
    )
    return card.model_copy(update={"not_recorded": tuple(_unknown(card))})


def _output(stages: Stages, stage: CampaignStage) -> Mapping[str, Any]:
    return stages[stage].output if stage in stages else {}


def _metrics(stages: Stages, stage: CampaignStage) -> Mapping[str, Any]:
    return stages[stage].metrics if stage in stages else {}


def _function(release: Release) -> str:
    names = ", ".join(release.description.get("class_names", ()))
    if release.role is Role.TEACHER:
        return f"finds what a site's detector misses, in some of its frames: {names}"
    return f"detects hazards in the frames of cameras, at the site: {names}"


def _classes(description: Mapping[str, Any]) -> Iterator[CardClass]:
    severities = {one["name"]: one.get("severity") for one in description.get("classes", ())}
    thresholds = description.get("thresholds", {})
    for name in description.get("class_names", ()):
        yield CardClass(name=name, severity=severities.get(name), threshold=thresholds.get(name))


def _training(stages: Stages) -> CardTraining | None:
    """From the record of the training; None for releases of before it was kept, and without a campaign."""
    trained_on = _metrics(stages, CampaignStage.TRAIN).get("trained_on")
    if trained_on is None:
        return None
    sets = tuple(CardDataset.model_validate(one) for one in trained_on["sets"])
    streets, drawn = int(trained_on["empty_streets"]), bool(trained_on["empty_streets_drawn"])
    synthetic = sum(one.images for one in sets if one.role == GENERATED) + (streets if drawn else 0)
    images = sum(one.images for one in sets) + streets
    return CardTraining(
        sets=sets,
        empty_streets=streets,
        empty_streets_drawn=drawn,
        images=images,
        synthetic_fraction=synthetic / images if images else 0.0,
    )


def _evaluations(services: Services, release: Release) -> list[CardEvaluation]:
    if release.campaign is None:
        return []
    rows = services.campaign_rows.evaluations(release.campaign)
    mine = (row for row in rows if row.model_digest == release.digest)
    return sorted(map(_evaluation, mine), key=lambda one: (one.set, one.class_name, one.condition))


def _evaluation(row: EvaluationRow) -> CardEvaluation:
    """A row of the holdout has its intervals; a shadow run's follows from its counts of tracks."""
    metrics = row.metrics
    if row.role.startswith(SHADOW_OF):
        n = int(metrics["supported"])
        return CardEvaluation(
            set=row.role,
            class_name=row.class_name,
            condition=row.condition,
            n=n,
            recall=metrics.get("recall"),
            recall_interval=wilson(metrics["detected"], n) if n else None,
            false_positives=metrics.get("unsupported"),
        )
    return CardEvaluation(
        set=row.role,
        class_name=row.class_name,
        condition=row.condition,
        n=int(metrics.get("truths", 0)),
        recall=metrics.get("recall"),
        recall_interval=metrics.get("recall_interval") if metrics.get("truths") else None,
        precision=metrics.get("precision"),
        precision_interval=metrics.get("precision_interval"),
        false_positives=metrics.get("false_positives"),
    )


def _blind_spots(
    services: Services, release: Release, evaluations: Sequence[CardEvaluation]
) -> Iterator[CardBlindSpot]:
    if release.role is not Role.DETECTOR:
        return
    names = release.description.get("class_names", ())
    yield from _of_evaluation(services, evaluations)
    evaluated = {(one.class_name, one.condition) for one in evaluations if one.n}
    for name in names:
        if not any(class_name == name for class_name, _ in evaluated):
            sentence = f"{name}: no labelled hazard of it was in an evaluation of this release"
            yield CardBlindSpot(kind="not_evaluated", class_name=name, condition=None, sentence=sentence)
            continue
        for condition in sorted(_conditions(services) - {c for n, c in evaluated if n == name}):
            sentence = f"{name}, {condition}: cameras of the fleet have it, no evaluation does"
            yield CardBlindSpot(kind="not_evaluated", class_name=name, condition=condition, sentence=sentence)
    if release.digest in services.register.in_service():
        modes = (mode for mode in services.register.modes() if mode.state.status is not ModeStatus.CLOSED)
        yield from map(_of_mode, modes)


def _of_evaluation(services: Services, evaluations: Iterable[CardEvaluation]) -> Iterator[CardBlindSpot]:
    for one in evaluations:
        target = services.settings.failure_modes.target(one.class_name)
        if one.recall_interval is None or one.recall_interval[0] > target:
            continue
        low, high = one.recall_interval
        verb = "is below" if high < target else "may be below"
        where = f"{one.class_name}, {one.condition}, {one.set}"
        measured = f"{low:.0%} to {high:.0%}, n = {one.n}"
        yield CardBlindSpot(
            kind="below_target",
            class_name=one.class_name,
            condition=None if one.condition == _WHOLE else one.condition,
            sentence=f"{where}: recall {verb} the target of {target:.0%} ({measured})",
        )


def _of_mode(mode: FailureMode) -> CardBlindSpot:
    key, recall = mode.key, mode.recall
    evidence = f"{quantity(mode.count, 'misdetection')} at {quantity(len(mode.sites), 'site')}"
    found = "no supported track yet"
    if recall.supported:
        low, high = recall.interval
        found = f"estimated recall {low:.0%} to {high:.0%} of {recall.supported} tracks"
    return CardBlindSpot(
        kind="failure_mode",
        class_name=key.class_name,
        condition=key.condition.key,
        sentence=f"{key.id} is {mode.state.status}: {evidence}, {found}",
    )


def _conditions(services: Services) -> set[str]:
    """Conditions that cameras of the fleet have had within the window of evidence."""
    since = int(services.clock()) - services.settings.failure_modes.window_days * 86_400
    found = services.reports.conditions(since_utc=since)
    return {condition.key for conditions in found.values() for condition in conditions}


def _licences(
    services: Services, release: Release, stages: Stages, training: CardTraining | None
) -> Iterator[CardLicence]:
    yield CardLicence(
        part="model",
        name=release.name,
        digest=release.digest,
        licence=release.description.get("licence"),
    )
    for one in _metrics(stages, CampaignStage.FILTER).get("generators", ()):
        yield CardLicence(part="generator", **one)
    added = [one for one in training.sets if one.role != GENERATED] if training else []
    stated = _stated_licences(services) if added else {}
    for one in added:
        yield CardLicence(part="dataset", name=one.name, digest=one.digest, licence=stated.get(one.digest))


def _stated_licences(services: Services) -> dict[str, str | None]:
    """By digest, what was stated when data were added; nothing where the datasets cannot be read."""
    try:
        return {dataset.digest: dataset.licence or None for dataset in services.datasets.all()}
    except FileFault as error:
        logger.warning("licences of data are not on cards: %s", error)
        return {}


def _decisions(services: Services, release: Release, campaign: Campaign | None) -> Iterator[CardDecision]:
    if campaign is not None:
        yield CardDecision(what="the campaign was started", by=campaign.started_by, at=campaign.created_at)
        yield _approval(services, campaign)
    same = (one for one in services.releases.releases() if one.digest == release.digest)
    for one in sorted(same, key=lambda one: (one.signed_at, one.channel == Channel.SERVICE)):
        what = f"signed for channel {one.channel}, version {one.version}"
        yield CardDecision(what=what, by="the cloud", at=one.signed_at)
    for rollout in reversed(services.releases.rollouts(limit=1000)):
        if rollout.digest == release.digest:
            for event in services.releases.rollout_events(rollout.id):
                yield CardDecision(what=f"rollout {rollout.id}: {event.action}", by=event.by, at=event.at)


def _approval(services: Services, campaign: Campaign) -> CardDecision:
    """Who approved the campaign: the audit log knows; a person's own start is the approval as well."""
    what, wanted = "the campaign was approved", AuditFilter(object=f"campaign {campaign.id}")
    for entry in services.audit.entries(wanted, limit=_MAX_ENTRIES):
        if entry.action.endswith(_APPROVE) and entry.status < _REFUSED:
            return CardDecision(what=what, by=entry.user, at=entry.at_utc)
    if is_started_by_rule(campaign.started_by):
        return CardDecision(what=what, by=None, at=None)
    return CardDecision(what=what, by=campaign.started_by, at=campaign.created_at)


def _unknown(card: ModelCard) -> Iterator[str]:
    """Names of the facts that no record states."""
    for name in ("owner", "contact", "purpose", "training", "weights_digest"):
        if getattr(card, name) is None:
            yield name
    if not card.evaluations:
        yield "evaluations"
    if card.privacy.epsilon_spent_max is None:
        yield "privacy budget"
    yield from (f"licence of {one.part} {one.name}" for one in card.licences if one.licence is None)
    yield from (f"by whom: {one.what}" for one in card.decisions if one.by is None)
