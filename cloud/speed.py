"""How fast this machine generates, trains and detects, and how long a campaign takes at these rates.

`measure` trains the starting detector on a few drawn streets, runs a detector, and has an order of a few
images generated and judged by it, each by the code and in the processes that campaigns use. Torch stays out
of this process.
"""

import contextlib
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cloud.campaigns.image_stages import generator_arguments
from cloud.campaigns.model_stages import recipe_of
from cloud.data.boxes import TrueBox
from cloud.data.datasets import DatasetRegister
from cloud.data.empty_streets import empty_streets
from cloud.data.labelled_images import write_index, write_labelled
from cloud.data.roles import DataRole
from cloud.detector.model_files import ModelFiles
from cloud.detector.weights import read_weights
from cloud.errors import StageInterrupted, TrainingStopped
from cloud.module_runs import ModuleRun, run_modules
from cloud.settings import CloudSettings
from cloud.starting_detector import STARTING_WEIGHTS, shipped
from cloud.training.plan import Recipe, TrainingPlan, TrainingProgress, train
from edge.vision.detection_speed import frames_per_second
from edge.vision.onnx_detector import OnnxDetector
from messaging.errors import BlindspotError
from messaging.runtime.atomic_files import write_atomically
from messaging.taxonomy import Light, RegionBin, SizeBin, Weather
from synth.order import SynthesisOrder, WeightedGeometry
from synth.progress import read_progress

LIMIT_S = 24.0
_TRAINING_PART = 0.6
_SHORT_S = 1.0
_LONGER_S = 4.0
_STREETS = 4
_FEW_IMAGES, _MORE_IMAGES = 4, 64


@dataclass(frozen=True)
class Speed:
    """Rates of this machine; None where the time did not suffice or something failed, which is a fault.

    Attributes:
        generated_per_minute: images of one order that passed the judges.
        trained_per_s: images in training.
        detected_per_s: frames of 1280x720 through the detector, on one thread.
    """

    generated_per_minute: float | None = None
    trained_per_s: float | None = None
    detected_per_s: float | None = None
    faults: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every rate was measured."""
        return None not in (self.generated_per_minute, self.trained_per_s, self.detected_per_s)

    def __str__(self) -> str:
        rates = (
            (self.generated_per_minute, "images a minute generated"),
            (self.trained_per_s, "images a second trained"),
            (self.detected_per_s, "frames a second detected"),
        )
        return ", ".join(f"{'?' if rate is None else f'{rate:.3g}'} {what}" for rate, what in rates)


@dataclass(frozen=True)
class CampaignWork:
    """What a campaign computes: images to generate, images trained over all epochs, images detected."""

    generated: int
    trained: int
    detected: int


@dataclass(frozen=True)
class CampaignTime:
    """Seconds that the stages of a campaign compute; what sites need to try the candidate comes on top."""

    generate_s: float
    train_s: float
    evaluate_s: float

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.generate_s + self.train_s + self.evaluate_s

    def __str__(self) -> str:
        parts = ((self.generate_s, "generation"), (self.train_s, "training"), (self.evaluate_s, "evaluation"))
        each = ", ".join(f"{_duration(seconds)} {what}" for seconds, what in parts)
        return f"{_duration(self.total_s)} ({each})"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def campaign_work(settings: CloudSettings, images: int) -> CampaignWork:
    """The work of a campaign of so many images with the datasets of this cloud.

    Synthetic images are at most the recipe's fraction of a batch, so that real ones are repeated when there
    are fewer; the last epoch has real ones only. Thresholds and holdout take two detectors each.
    """
    register, training = DatasetRegister(settings.folder.datasets), settings.training
    real = register.images(DataRole.BASE) + register.images(DataRole.REPLAY)
    synthetic = images + training.streets
    mixed = max(real + synthetic, math.ceil(synthetic / training.synthetic_fraction))
    detected = 2 * (register.images(DataRole.CALIBRATION) + register.images(DataRole.HOLDOUT))
    return CampaignWork(images, (training.epochs - 1) * mixed + real, detected)


def campaign_time(speed: Speed, work: CampaignWork) -> CampaignTime | None:
    """How long the work takes at these rates; None unless all were measured."""
    if not (speed.generated_per_minute and speed.trained_per_s and speed.detected_per_s):
        return None
    return CampaignTime(
        work.generated / speed.generated_per_minute * 60,
        work.trained / speed.trained_per_s,
        work.detected / speed.detected_per_s,
    )


def measure(settings: CloudSettings, *, limit_s: float = LIMIT_S) -> Speed:
    """Measure within `limit_s` seconds, and a few more to end what runs; the rest of the rates is None."""
    until, found = time.monotonic() + limit_s, Speed()
    weights = settings.starting_weights or shipped(STARTING_WEIGHTS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            bundle = None if weights is None else _exported(settings, weights)
            if weights is not None:
                training_until = until - (1 - _TRAINING_PART) * limit_s
                rate, trained = _trained(settings, weights.absolute(), folder / "training", training_until)
                found, bundle = replace(found, trained_per_s=rate), bundle or trained
            if bundle is not None:
                detector = OnnxDetector(bundle, providers=settings.evaluation.providers)
                found = replace(found, detected_per_s=frames_per_second(detector))
                if settings.taxonomy.names[0] not in detector.description.class_names:
                    bundle = None  # it cannot judge images of this class
            return replace(found, generated_per_minute=_generated(settings, folder, bundle, until))
        except BlindspotError as error:
            return replace(found, faults=(str(error),))


def _exported(settings: CloudSettings, weights: Path) -> Path | None:
    """The bundle that this cloud has exported of the weights at an earlier start."""
    models = ModelFiles(settings.folder.models)
    digest = models.exported(weights)
    return None if digest is None else models.bundle(digest).absolute()


def _trained(
    settings: CloudSettings, parent: Path, folder: Path, until: float
) -> tuple[float | None, Path | None]:
    """Images a second, and the bundle that was trained; a fast machine trains a second time, for longer."""
    recipe = recipe_of(settings.training, settings.evaluation, epochs=1)
    images = 2 * recipe.batch
    plan = _training_plan(parent, folder / "images", images, recipe)
    rate, bundle = _train_once(plan, folder / "short", until)
    if rate is not None and bundle is not None and images / rate < _SHORT_S:
        epochs = math.ceil(_LONGER_S * rate / images)
        longer = replace(plan, recipe=replace(recipe, epochs=epochs))
        rate = _train_once(longer, folder / "long", until)[0] or rate
    return rate, bundle


def _training_plan(parent: Path, folder: Path, images: int, recipe: Recipe) -> TrainingPlan:
    """A plan on a few drawn streets, each often enough, with one box each."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    names, rows = read_weights(parent).card.class_names, []
    streets = list(empty_streets(_STREETS, None))
    for index in range(images):
        street = streets[index % len(streets)]
        height, width = street.image.shape[:2]
        box = TrueBox(names[0], (0.4 * width, 0.4 * height, 0.6 * width, 0.6 * height))
        write_labelled(folder, f"street-{index}", street.image, (box,), names)
        rows.append((f"street-{index}.jpg", street.name, street.condition))
    write_index(folder, rows)
    return TrainingPlan(parent, "speed", (folder,), recipe)


def _train_once(plan: TrainingPlan, out: Path, until: float) -> tuple[float | None, Path | None]:
    rates: list[float] = []

    def note(progress: TrainingProgress) -> None:
        if progress.seconds_left > 0:
            left = (progress.steps - progress.step) * plan.recipe.batch
            rates.append(left / progress.seconds_left)

    bundle = None
    with contextlib.suppress(TrainingStopped):
        bundle = train(plan, out, progress=note, should_stop=_over(until)).bundle
    return rates[-1] if rates else None, bundle


def _generated(settings: CloudSettings, folder: Path, reference: Path | None, until: float) -> float | None:
    """Images a minute that pass; a fast machine generates a second order, a larger one."""
    rate = _generate_once(settings, folder / "few", _FEW_IMAGES, reference, until)
    if rate is not None and _FEW_IMAGES / rate * 60 < _SHORT_S:
        rate = _generate_once(settings, folder / "more", _MORE_IMAGES, reference, until) or rate
    return rate


def _generate_once(
    settings: CloudSettings, out: Path, count: int, reference: Path | None, until: float
) -> float | None:
    synthesis = settings.synthesis
    order = SynthesisOrder(
        order="speed",
        class_name=settings.taxonomy.names[0],
        classes=settings.taxonomy.classes,
        light=Light.NIGHT,
        weather=Weather.RAIN,
        geometry=(WeightedGeometry(size=SizeBin.MEDIUM, region=RegionBin.BOTTOM, weight=1.0),),
        count=count,
        seed=0,
        patch_budget=100 * count,
        best_of=synthesis.best_of,
        sampling=synthesis.sampling,
        image_width=synthesis.image_width,
        image_height=synthesis.image_height,
    )
    path = out.with_suffix(".json")
    write_atomically(path, order.model_dump_json().encode())
    arguments = [str(path), str(out), *generator_arguments(synthesis, out.parent)]
    arguments += ["--providers", *settings.evaluation.providers]
    if reference is not None:
        arguments += ["--reference", str(reference)]
    with contextlib.suppress(StageInterrupted):
        run_modules(
            "synth.run",
            [ModuleRun(arguments, out.with_suffix(".log"))],
            stopping=_over(until),
            environment={"OMP_NUM_THREADS": str(synthesis.threads)},
        )
    progress = read_progress(out)
    if progress is None or not progress.kept or not progress.seconds:
        return None
    return progress.kept / progress.seconds * 60


def _over(until: float) -> Callable[[], bool]:
    return lambda: time.monotonic() > until
