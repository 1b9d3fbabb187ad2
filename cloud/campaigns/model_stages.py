"""The stages that make and judge a model in the cloud: train, evaluate, trial.

Training runs in a process of its own; evaluation uses the edge's detector code on the fixed holdout; the
first verdict signs a release that may only run in shadow.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from cloud.campaigns.services import Parts
from cloud.campaigns.stage import StageResult, StageWork
from cloud.data.datasets import DataRole
from cloud.data.labelled_images import LabelledImage, open_labelled
from cloud.errors import StageFailed, StageInterrupted, TrainingStopped
from cloud.evaluation.evaluate import Evaluation, Tally, evaluate_all
from cloud.evaluation.promotion import Margins, MetricComparison, PromotionVerdict, Target, trial_verdict
from cloud.failure_modes.rules import ModeKey
from cloud.store.records import CampaignStage, EvaluationRow, Release
from cloud.training.plan import Recipe, TrainingPlan, TrainingProgress
from cloud.training.plan import train as run_training
from messaging.blobs import write_atomically
from messaging.trust.manifest import ReleaseManifest


def train(parts: Parts, work: StageWork) -> StageResult:
    """Fine-tune the incumbent on replay and the synthetic sets, those of earlier campaigns among them.

    Raises `StageFailed` without replay.
    """
    incumbent = incumbent_of(work)
    replay = parts.datasets.folders(DataRole.BASE, DataRole.REPLAY)
    if not replay:
        raise StageFailed(
            "there is no replay data, and training on new data alone destroys old classes; add some with "
            "`blindspot data add FOLDER --role replay`, then resume the campaign"
        )
    earlier = parts.campaign_rows.outputs_of_done(
        CampaignStage.FILTER, newest=parts.settings.training.earlier_campaigns
    )
    sets = [row for output in (work.inputs[CampaignStage.FILTER], *earlier) for row in output["sets"]]
    plan = TrainingPlan(
        parent=parts.models.weights(incumbent).absolute(),
        name=f"campaign-{work.campaign.id[-8:].lower()}",
        replay=tuple(folder.absolute() for folder in replay),
        synthetic=tuple((parts.settings.data / row["folder"]).absolute() for row in sets),
        streets=parts.settings.training.streets,
        backgrounds=parts.datasets.backgrounds,
        calibration=tuple(f.absolute() for f in parts.datasets.folders(DataRole.CALIBRATION)),
        recipe=_recipe(parts, work),
    )

    def tell(progress: TrainingProgress) -> None:
        share = progress.step / max(progress.steps, 1)
        note = f"epoch {progress.epoch} of {progress.epochs}, loss {progress.loss:.3f}"
        work.progress(share, f"{note}, {progress.seconds_left:.0f} s left")

    try:
        trained = run_training(plan, work.folder.absolute(), progress=tell, should_stop=work.stopping)
    except TrainingStopped as error:
        raise StageInterrupted(str(error)) from error
    digest = parts.models.keep(trained.weights, trained.bundle)
    return StageResult(
        output={"bundle_digest": digest, "weights_digest": trained.weights_digest},
        figures={"seconds": trained.seconds, "images": trained.images, "losses": list(trained.losses)},
    )


def _recipe(parts: Parts, work: StageWork) -> Recipe:
    training, options = parts.settings.training, work.campaign.plan.options
    epochs = int(options.get("epochs", training.epochs))
    return Recipe(
        epochs=epochs,
        learning_rate=float(options.get("learning_rate", training.learning_rate)),
        batch=training.batch,
        synthetic_fraction=training.synthetic_fraction,
        frozen_layers=training.frozen_layers,
        keep_statistics=True,
        parent_weight=training.parent_weight,
        weather=training.weather,
        precision_margin=training.precision_margin,
        real_only_epochs=1 if epochs > 2 else 0,
        seed=work.campaign.plan.seed or 0,
        threads=training.threads,
    )


def evaluate_both(parts: Parts, work: StageWork) -> StageResult:
    """Candidate and incumbent on the holdout, with the edge's detector code."""
    holdout = parts.datasets.folders(DataRole.HOLDOUT)
    if not holdout:
        raise StageFailed(
            "there is no holdout to judge a candidate on; add one with `blindspot data add FOLDER --role "
            "holdout`, then resume the campaign"
        )
    models = {"incumbent": incumbent_of(work), "candidate": work.output(CampaignStage.TRAIN, "bundle_digest")}
    files: dict[str, str] = {}
    figures: dict[str, object] = {}
    total = parts.datasets.images(DataRole.HOLDOUT)
    detectors = [parts.models.detector(digest) for digest in models.values()]
    evaluations = evaluate_all(detectors, _watched(holdout, work, total))
    for (role, digest), found in zip(models.items(), evaluations, strict=True):
        path = work.folder / f"{digest}.json"
        write_atomically(path, found.to_json().encode())
        files[digest] = path.relative_to(parts.settings.data).as_posix()
        parts.campaign_rows.put_evaluations(
            [_row(work.campaign.id, digest, tally) for tally in _all_tallies(found)]
        )
        figures[role] = _summary(found)
    _set_gauges(parts, work, files)
    return StageResult(output={"files": files}, figures={**figures, "images": total})


def trial(parts: Parts, work: StageWork) -> StageResult:
    """Not worse on the holdout? Then sign for shadow."""
    candidate = work.output(CampaignStage.TRAIN, "bundle_digest")
    before, after = (read_evaluation(parts, work, d) for d in (incumbent_of(work), candidate))
    verdict = trial_verdict(before, after, targets(parts, work), margins_of(parts))
    figures = verdict_figures(verdict)
    if not verdict.passed:
        return StageResult(output={}, figures=figures, stop=f"not for trial: {verdict.reason}")
    bundle = parts.models.bundle(candidate)
    description = parts.models.detector(candidate).description
    manifest = parts.publisher.publish_trial(
        bundle.read_bytes(),
        description,
        evaluation=after.to_json().encode(),
        synthetic_set_digest=work.output(CampaignStage.FILTER, "sets")[0]["digest"],
    )
    remember_release(parts, manifest, description.model_dump(mode="json"), campaign=work.campaign.id)
    return StageResult(output={"digest": candidate, "version": manifest.version}, figures=figures)


def margins_of(parts: Parts) -> Margins:
    """The promotion margins of this deployment."""
    return Margins(**parts.settings.promotion.model_dump())


def incumbent_of(work: StageWork) -> str:
    """The model the campaign starts from. Raises `StageFailed` without one."""
    digest = work.campaign.plan.incumbent_digest
    if digest is None:
        raise StageFailed(
            "no model was in service when the campaign was planned; release a starting detector first"
        )
    return digest


def targets(parts: Parts, work: StageWork) -> list[Target]:
    """What the campaign set out to mend."""
    rows = work.output(CampaignStage.PLAN, "orders")
    return [Target(row["order"]["class_name"], ModeKey.parse(row["mode"]).condition) for row in rows]


def remember_release(
    parts: Parts, manifest: ReleaseManifest, description: Mapping[str, object], *, campaign: str | None
) -> None:
    """Enter a signed release in the store."""
    parts.releases.put_release(
        Release(
            digest=manifest.digest,
            channel=manifest.channel,
            name=manifest.name,
            version=manifest.version,
            length_bytes=manifest.length_bytes,
            parent_digest=manifest.parent_digest,
            campaign=campaign,
            description=description,
            signed_at=parts.campaign_rows.now(),
        )
    )


def verdict_figures(verdict: PromotionVerdict) -> dict[str, object]:
    """A verdict for people: outcome, reason, findings."""
    return {
        "outcome": str(verdict.outcome),
        "reason": verdict.reason,
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def read_evaluation(parts: Parts, work: StageWork, digest: str) -> Evaluation:
    """What the evaluate stage found for a model."""
    path = parts.settings.data / work.output(CampaignStage.EVALUATE, "files")[digest]
    return Evaluation.from_json(path.read_bytes())


def _finding(finding: MetricComparison) -> dict[str, object]:
    return {
        "class": finding.class_name,
        "condition": finding.condition,
        "measure": finding.measure,
        "incumbent": list(finding.incumbent),
        "candidate": list(finding.candidate),
        "interval": list(finding.interval),
        "result": str(finding.result),
    }


def _watched(folders: tuple[Path, ...], work: StageWork, total: int) -> Iterator[LabelledImage]:
    """Images of all folders, with progress, until the stage is told to stop."""
    images = (image for folder in folders for image in open_labelled(folder))
    for done, image in enumerate(images):
        if done % 20 == 0:
            work.check()
            work.progress(done / max(total, 1), f"{done} of {total} images")
        yield image


def _all_tallies(found: Evaluation) -> list[Tally]:
    names = sorted({tally.class_name for tally in found.tallies})
    whole = [tally for name in names if (tally := found.of_class(name)) is not None]
    return [*found.tallies, *whole]


def _row(campaign: str, digest: str, tally: Tally) -> EvaluationRow:
    figures = {
        "images": tally.images,
        "truths": tally.truths,
        "true_positives": tally.true_positives,
        "false_positives": tally.false_positives,
        "recall": tally.recall,
        "recall_interval": list(tally.recall_interval),
        "precision": tally.precision,
        "precision_interval": list(tally.precision_interval),
        "ap50": tally.ap50,
        "ap50_95": tally.ap50_95,
    }
    return EvaluationRow(campaign, digest, "holdout", tally.class_name, tally.condition, figures)


def _summary(found: Evaluation) -> dict[str, object]:
    names = sorted({tally.class_name for tally in found.tallies})
    return {
        name: {"recall": tally.recall, "precision": tally.precision, "ap50": tally.ap50}
        for name in names
        if (tally := found.of_class(name)) is not None
    }


def _set_gauges(parts: Parts, work: StageWork, files: dict[str, str]) -> None:
    candidate = Evaluation.from_json((parts.settings.data / files[list(files)[-1]]).read_bytes())
    for tally in candidate.tallies:
        if tally.recall is not None:
            parts.metrics.eval_recall.labels(tally.class_name, tally.condition, "holdout").set(tally.recall)
