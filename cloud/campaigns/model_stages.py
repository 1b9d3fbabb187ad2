"""The stages that make and evaluate a model in the cloud: train, evaluate, trial.

Training runs in a process of its own. Evaluation uses the edge's detector code on the fixed holdout. The
first verdict signs a release that may only run in shadow.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cloud.campaigns.holdout_rows import holdout_rows
from cloud.campaigns.outputs import (
    ControlModel,
    EvaluateOutput,
    FilterOutput,
    LeftOutImages,
    PlanOutput,
    TrainOutput,
    TrialOutput,
    VerifiedSet,
)
from cloud.campaigns.planning import trains_control
from cloud.campaigns.promotion_gate import HOLDOUT_VERDICT, stored_verdict
from cloud.campaigns.stage import StageResult, StageWork
from cloud.campaigns.trainings import Share, run_plan, training_metrics
from cloud.class_register import ClassRegister
from cloud.data.datasets import DatasetRegister
from cloud.data.labelled_images import LabelledImage, open_labelled
from cloud.data.roles import DataRole
from cloud.detector.model_files import ModelFiles
from cloud.errors import StageFailed
from cloud.evaluation.evaluate import Evaluation, evaluate_all
from cloud.evaluation.promotion import MetricComparison, Outcome, PromotionVerdict, Target, trial_verdict
from cloud.failure_modes.rules import ModeKey
from cloud.fleet.publisher import Publisher
from cloud.fleet.release_register import record_release
from cloud.settings import EvaluationSettings, PromotionSettings, TrainingSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.history.review_store import ReviewStore
from cloud.store.records import CONTROL, HOLDOUT, CampaignPlan, CampaignStage
from cloud.store.release_store import ReleaseStore
from cloud.training.control import control_plan
from cloud.training.plan import Recipe, TrainedWeights, TrainingPlan
from edge.vision.onnx_detector import OnnxDetector
from messaging.hazard_classes import HazardClass
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.state_files import StateFile

_REPORT_EVERY_IMAGES = 20


@dataclass(frozen=True)
class ModelStages:
    """Train, evaluate and trial; `data` is the cloud's data folder."""

    data: Path
    training: TrainingSettings
    evaluation: EvaluationSettings
    promotion: PromotionSettings
    classes: ClassRegister
    datasets: DatasetRegister
    models: ModelFiles
    store: CampaignStore
    releases: ReleaseStore
    publisher: Publisher
    reviews: ReviewStore

    def train(self, work: StageWork) -> StageResult:
        """Fine-tune the incumbent on replay and the synthetic sets, including those of earlier campaigns.

        If the campaign has a control model, it is trained next. Raises `StageFailed` without replay.
        """
        plan, trained_on = self._plan(work), self._trained_on(work)
        with_control = trains_control(work.campaign.plan, self.training)
        trained = run_plan(work, plan, work.folder.absolute(), Share(0, 2 if with_control else 1))
        digest = self.models.keep(trained.weights, trained.bundle)
        output = TrainOutput(bundle_digest=digest, weights_digest=trained.weights_digest)
        metrics = {**training_metrics(trained), "trained_on": trained_on}
        if with_control:
            control = self._train_control(work, plan, trained)
            bundle = control.bundle.relative_to(self.data.absolute()).as_posix()
            model = ControlModel(bundle_digest=control.bundle_digest, bundle=bundle)
            output = output.model_copy(update={"control": model})
            metrics[CONTROL] = training_metrics(control)
        return StageResult(output, metrics)

    def _train_control(self, work: StageWork, plan: TrainingPlan, trained: TrainedWeights) -> TrainedWeights:
        """The control of a finished training, without the images that this campaign generated."""
        own = {(self.data / one.folder).absolute() for one in work.output(FilterOutput).sets}
        control, folder = control_plan(plan, trained, own), work.folder.absolute() / CONTROL
        return run_plan(work, control, folder, Share(1, 2, "control model: "))

    def _plan(self, work: StageWork) -> TrainingPlan:
        replay = self.datasets.folders(DataRole.BASE, DataRole.REPLAY)
        if not replay:
            raise StageFailed(
                "there is no replay data, and training on new data alone destroys old classes; add some with "
                "`blindspot data add FOLDER --role replay`, then resume the campaign"
            )
        return TrainingPlan(
            parent=self.models.weights(incumbent_of(work)).absolute(),
            name=f"campaign-{work.campaign.id[-8:].lower()}",
            replay=tuple(folder.absolute() for folder in replay),
            synthetic=tuple((self.data / one.folder).absolute() for one in self._generated_sets(work)),
            left_out=tuple((self.data / file).absolute() for file in self._left_out(work)),
            streets=self.training.streets,
            backgrounds=self.datasets.backgrounds,
            calibration=tuple(f.absolute() for f in self.datasets.folders(DataRole.CALIBRATION)),
            recipe=self._recipe(work.campaign.plan),
            classes=self._classes(work),
        )

    def _generated_sets(self, work: StageWork) -> list[VerifiedSet]:
        """The labelled sets of this campaign, then those of earlier ones that are trained on again.

        A set of which every image was refused is none of them.
        """
        earlier = self.store.outputs_of_rolled_out(
            CampaignStage.FILTER, newest=self.training.earlier_campaigns
        )
        outputs = [work.output(FilterOutput), *(FilterOutput.model_validate(row) for row in earlier)]
        return [one for output in outputs for one in output.sets if one.images]

    def _left_out(self, work: StageWork) -> tuple[str, ...]:
        """Files of the generated sets that people have rejected, relative to the data folder.

        They are written when the training begins, so that one that continues leaves out the same.
        """
        kept = StateFile(work.folder / "left_out.json", LeftOutImages)
        found = kept.read()
        if found is None:
            names = self.reviews.left_out(work.campaign.id)
            folders = (f"{one.folder}/images" for one in self._generated_sets(work))
            files = (f"{folder}/{name}.jpg" for folder in folders for name in names)
            found = LeftOutImages(files=tuple(file for file in files if (self.data / file).is_file()))
            kept.write(found)
        return found.files

    def _trained_on(self, work: StageWork) -> dict[str, object]:
        """What the training was given, for the card of the release; JSON values."""
        real = (one for role in (DataRole.BASE, DataRole.REPLAY) for one in self.datasets.all(role))
        sets = [{"digest": d.digest, "name": d.name, "role": d.role, "images": d.images} for d in real]
        left_out = self._left_out(work)
        for g in self._generated_sets(work):
            fewer = sum(file.startswith(f"{g.folder}/") for file in left_out)
            sets.append({"digest": g.digest, "name": g.mode, "role": "generated", "images": g.images - fewer})
        return {
            "sets": sets,
            "left_out": list(left_out),
            "empty_streets": self.training.streets,
            "empty_streets_drawn": self.datasets.backgrounds is None,
        }

    def _classes(self, work: StageWork) -> tuple[HazardClass, ...]:
        """The incumbent's classes, then added ones and those of the campaign, as described now."""
        before = self.models.detector(incumbent_of(work)).description.taxonomy
        described = {one.name: one for one in (*before.classes, *self.classes.taxonomy.classes)}
        wanted = (*before.names, *self.classes.added, *(target.class_name for target in targets(work)))
        return tuple(described[name] for name in dict.fromkeys(wanted))

    def _recipe(self, plan: CampaignPlan) -> Recipe:
        recipe = recipe_of(
            self.training, self.evaluation, int(plan.options.get("epochs", self.training.epochs))
        )
        rate = float(plan.options.get("learning_rate", self.training.learning_rate))
        return replace(recipe, learning_rate=rate, seed=plan.seed or 0)

    def evaluate(self, work: StageWork) -> StageResult:
        """Evaluate candidate and incumbent on the holdout, and store the verdict that a signature needs.

        A control model is evaluated beside them and has no part in the verdict. Raises `StageFailed` without
        a holdout.
        """
        holdout = self.datasets.folders(DataRole.HOLDOUT)
        if not holdout:
            raise StageFailed(
                "there is no holdout to evaluate a candidate on; add one with `blindspot data add FOLDER "
                "--role holdout`, then resume the campaign"
            )
        trained = work.output(TrainOutput)
        models = {"incumbent": incumbent_of(work), "candidate": trained.bundle_digest}
        detectors = [self.models.detector(digest) for digest in models.values()]
        if trained.control is not None:
            detectors.append(self._control_detector(trained.control))
        total = self.datasets.images(DataRole.HOLDOUT)
        before, after, *controls = evaluate_all(detectors, _with_progress(holdout, work, total))
        files: dict[str, str] = {}
        metrics: dict[str, object] = {"images": total}
        for (kind, digest), found in zip(models.items(), (before, after), strict=True):
            path = work.folder / f"{digest}.json"
            write_atomically(path, found.to_json().encode())
            files[digest] = path.relative_to(self.data).as_posix()
            self.store.put_evaluations(holdout_rows(work.campaign.id, digest, HOLDOUT, found))
            metrics[kind] = _summary(found)
        for found in controls:
            self.store.put_evaluations(holdout_rows(work.campaign.id, detectors[-1].digest, CONTROL, found))
            metrics[CONTROL] = _summary(found)
        verdict = self._verdict(work, before, after)
        metrics[HOLDOUT_VERDICT] = {**verdict_metrics(verdict), "candidate": models["candidate"]}
        return StageResult(EvaluateOutput(files=files), metrics)

    def _control_detector(self, control: ControlModel) -> OnnxDetector:
        """The control model from the folder of its training; it is not among the models to release."""
        detector = OnnxDetector(self.data / control.bundle, providers=self.evaluation.providers)
        if detector.digest != control.bundle_digest:
            raise StageFailed(
                f"{self.data / control.bundle} is not the control model that was trained; start "
                "a new campaign"
            )
        return detector

    def trial(self, work: StageWork) -> StageResult:
        """Sign the candidate for shadow runs if the stored verdict is that it is not worse on the holdout.

        The signature asks for that verdict too. Raises `StageFailed` if none is stored.
        """
        candidate = work.output(TrainOutput).bundle_digest
        verdict = stored_verdict(self.store.stages(work.campaign.id), candidate)
        if verdict is None:
            raise StageFailed(
                f"no verdict on the holdout is stored of candidate {candidate[:12]}; start a new campaign"
            )
        metrics = {name: value for name, value in verdict.items() if name != "candidate"}
        if metrics["outcome"] != Outcome.PASS:
            return StageResult(metrics=metrics, stop=f"not for trial: {metrics['reason']}")
        description, after = self.models.detector(candidate).description, self._evaluation(work, candidate)
        manifest = self.publisher.publish_trial(
            self.models.bundle(candidate).read_bytes(),
            description,
            campaign=work.campaign.id,
            evaluation=after.to_json().encode(),
            synthetic_set_digest=work.output(FilterOutput).sets[0].digest,
        )
        record_release(
            self.releases,
            manifest,
            description.model_dump(mode="json"),
            campaign=work.campaign.id,
            signed_at=self.store.now(),
        )
        return StageResult(TrialOutput(digest=candidate, version=manifest.version), metrics)

    def _verdict(self, work: StageWork, before: Evaluation, after: Evaluation) -> PromotionVerdict:
        """The verdict on the holdout, of the evaluations of incumbent and candidate."""
        digests = (work.output(TrainOutput).bundle_digest, incumbent_of(work))
        names, known = (self.models.detector(digest).description.class_names for digest in digests)
        return trial_verdict(before, after, targets(work), self.promotion, set(names) - set(known))

    def _evaluation(self, work: StageWork, digest: str) -> Evaluation:
        path = self.data / work.output(EvaluateOutput).files[digest]
        found = StateFile(path, Evaluation).read()
        if found is None:
            raise StageFailed(f"evaluation {path} is lost; start a new campaign")
        return found


def recipe_of(training: TrainingSettings, evaluation: EvaluationSettings, epochs: int) -> Recipe:
    """How campaigns train by these settings."""
    return Recipe(
        epochs=epochs,
        learning_rate=training.learning_rate,
        batch=training.batch,
        synthetic_fraction=training.synthetic_fraction,
        frozen_layers=training.frozen_layers,
        keep_statistics=True,
        parent_weight=training.parent_weight,
        weather=training.weather,
        precision_margin=training.precision_margin,
        real_only_epochs=1 if epochs > 2 else 0,
        threads=training.threads,
        device=training.device,
        precision=training.precision,
        workers=training.workers,
        providers=evaluation.providers,
    )


def incumbent_of(work: StageWork) -> str:
    """The model that the campaign starts from. Raises `StageFailed` without one."""
    digest = work.campaign.plan.incumbent_digest
    if digest is None:
        raise StageFailed(
            "no model was in service when the campaign was planned; release a starting detector first"
        )
    return digest


def targets(work: StageWork) -> list[Target]:
    """Class and condition of each failure mode of the campaign."""
    return [
        Target(planned.order.class_name, ModeKey.parse(planned.mode).condition)
        for planned in work.output(PlanOutput).orders
    ]


def verdict_metrics(verdict: PromotionVerdict) -> dict[str, object]:
    """A verdict as JSON values: outcome, reason, comparisons."""
    return {
        "outcome": str(verdict.outcome),
        "reason": verdict.reason,
        "findings": [_comparison(finding) for finding in verdict.findings],
    }


def _comparison(found: MetricComparison) -> dict[str, object]:
    return {
        "class": found.class_name,
        "condition": found.condition,
        "measure": found.measure,
        "incumbent": list(found.incumbent),
        "candidate": list(found.candidate),
        "interval": list(found.interval),
        "result": str(found.result),
    }


def _with_progress(folders: tuple[Path, ...], work: StageWork, total: int) -> Iterator[LabelledImage]:
    """The images of all folders, with progress reports; stops when the stage must leave."""
    images = (image for folder in folders for image in open_labelled(folder))
    for done, image in enumerate(images):
        if done % _REPORT_EVERY_IMAGES == 0:
            work.check()
            work.progress(done / max(total, 1), f"{done} of {total} images")
        yield image


def _summary(found: Evaluation) -> dict[str, object]:
    return {
        tally.class_name: {"recall": tally.recall, "precision": tally.precision, "ap50": tally.ap50}
        for tally in found.of_classes()
    }
