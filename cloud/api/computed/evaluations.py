"""Evaluations side by side: candidate, incumbent, control, first and best model, on holdout and sites."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cloud.api.access.caller import VisibleSites, is_visible
from cloud.api.services import Services
from cloud.store.records import CONTROL, HOLDOUT, SHADOW_OF, Campaign, EvaluationRow
from messaging.api.evaluations import EvaluatedModel, EvaluationCell, EvaluationsResource, ModelScores
from messaging.intervals import poisson_rate, wilson
from messaging.releases import Role

WITH_CONTROL = (
    "the control model was trained like the candidate, with as many optimiser steps and batches of the same "
    "size, but without the images that this campaign generated: the difference between both is their effect"
)
WITHOUT_CONTROL = (
    "no control model is evaluated here, so that the effect of generated images cannot be separated from "
    "that of further training; `blindspot campaign start --control` trains one"
)
NOTES = (
    "false alarms per camera-hour are those of shadow runs: unsupported tracks over the time between the "
    "site's receipt and its newest report, for each camera of its last heartbeat; a holdout has no duration",
    "camera-hours are an estimate, and the interval is of the count alone: hours in which a camera was not "
    "connected or a frame was left out count as watched if it is connected at the end, so that the rate is "
    "too low; a camera that is not connected at the end counts for no hour, which makes it too high",
    "the intervals of AP50 and AP50-95 are a bootstrap over the holdout's images, for a class over all "
    "conditions combined from those of its conditions; with fewer than two images that have the class, and "
    "in older evaluations, there is none",
    "the best model has the highest mean AP50 over its classes among all stored evaluations on the holdout",
)


def evaluations_view(services: Services, campaign: Campaign, visible: VisibleSites) -> EvaluationsResource:
    """The evaluations of a campaign beside those of the first and of the best model."""
    own = services.campaign_rows.evaluations(campaign.id)
    kinds = _kinds(services, campaign, own)
    others = services.histories.evaluations.of_models(set(kinds.values()))
    holdout = _newest([*others, *(row for row in own if row.role == HOLDOUT)])
    cells: dict[tuple[str, str, str], dict[str, ModelScores]] = {}
    for kind, digest in kinds.items():
        for row in (*holdout.get(digest, ()), *_further(own, digest, visible)):
            where = HOLDOUT if row.role == CONTROL else row.role
            cells.setdefault((where, row.class_name, row.condition), {})[kind] = _scores(row)
    versions = {release.digest: release.version for release in services.releases.releases()}
    return EvaluationsResource(
        campaign=campaign.id,
        models=tuple(
            EvaluatedModel(
                kind=kind,
                digest=digest,
                version=versions.get(digest),
                campaign=holdout[digest][0].campaign if digest in holdout else campaign.id,
            )
            for kind, digest in kinds.items()
        ),
        cells=tuple(
            EvaluationCell(set=role, class_name=name, condition=condition, scores=scores)
            for (role, name, condition), scores in sorted(cells.items())
        ),
        notes=(WITH_CONTROL if CONTROL in kinds else WITHOUT_CONTROL, *NOTES),
    )


def _further(rows: Iterable[EvaluationRow], digest: str, visible: VisibleSites) -> Iterator[EvaluationRow]:
    """A model's rows as the control, and those of shadow runs at visible sites."""
    for row in rows:
        of_site = row.role.startswith(SHADOW_OF) and is_visible(row.role.removeprefix(SHADOW_OF), visible)
        if row.model_digest == digest and (of_site or row.role == CONTROL):
            yield row


def _kinds(services: Services, campaign: Campaign, own: Sequence[EvaluationRow]) -> dict[str, str]:
    """Digests of the compared models by kind."""
    kinds: dict[str, str] = {}
    detectors = [one for one in services.releases.releases() if one.role is Role.DETECTOR]
    if detectors:
        kinds["first"] = min(detectors, key=lambda one: one.version).digest
    if (best := best_model(services.histories.evaluations.whole())) is not None:
        kinds["best"] = best
    incumbent = campaign.plan.incumbent_digest
    if incumbent is not None:
        kinds["incumbent"] = incumbent
    for row in own:
        if row.model_digest != incumbent:
            kinds[CONTROL if row.role == CONTROL else "candidate"] = row.model_digest
    return kinds


def best_model(rows: Iterable[EvaluationRow]) -> str | None:
    """The model with the highest mean AP50 over its classes, of equal ones the earliest; None without any.

    `rows` are evaluations over all conditions, oldest first; of each model and class the newest counts.
    """
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        if (ap50 := row.metrics.get("ap50")) is not None:
            scores.setdefault(row.model_digest, {})[row.class_name] = float(ap50)
    means = {digest: sum(by.values()) / len(by) for digest, by in scores.items()}
    return max(means, key=lambda digest: means[digest], default=None)


def _newest(rows: Iterable[EvaluationRow]) -> Mapping[str, Sequence[EvaluationRow]]:
    """By model, the rows of the last campaign that evaluated it; later rows replace earlier ones."""
    found: dict[str, dict[str, list[EvaluationRow]]] = {}
    for row in rows:
        by_campaign = found.setdefault(row.model_digest, {})
        by_campaign.setdefault(row.campaign, [])
        by_campaign[row.campaign] = [*by_campaign.pop(row.campaign), row]
    return {digest: list(by.values())[-1] for digest, by in found.items()}


def _scores(row: EvaluationRow) -> ModelScores:
    metrics = row.metrics
    if not row.role.startswith(SHADOW_OF):
        return ModelScores.model_validate({**metrics, "n": metrics.get("truths", 0)})
    n = int(metrics.get("supported", metrics.get("truths", 0)))
    detected, alarms, hours = (metrics.get(name) for name in ("detected", "unsupported", "camera_hours"))
    return ModelScores(
        n=n,
        recall=metrics.get("recall"),
        recall_interval=wilson(detected, n) if n and detected is not None else None,
        false_positives=alarms,
        false_alarms_per_camera_hour=alarms / hours if alarms is not None and hours else None,
        false_alarms_interval=poisson_rate(alarms, hours) if alarms is not None and hours else None,
        camera_hours=hours,
    )
