"""Speed and memory of our training: `python -m cloud.training.experiments.bench_train WEIGHTS`.

Speed is measured in pairs: in turn, ultralytics' plain trainer and ours train the same architecture on the
same images, with the same input, batch, precision, mosaics and threads; the first epoch of each turn is not
counted. Memory is that of the training's process tree while a plan with 50,000 image files is listed and
trained on for some hundred steps, with worker processes. The files are hard links to a few hundred different
images: the number of files is real, the number of different pixels is not.
"""

import argparse
import contextlib
import datetime
import os
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from cloud.data.boxes import TrueBox
from cloud.data.labelled_images import list_labelled, write_class_names, write_labelled
from cloud.detector.ultralytics.network import network_of
from cloud.detector.ultralytics.plain_training import train_plainly
from cloud.detector.ultralytics.trainer import TrainerOptions, fine_tune
from cloud.detector.weights import DetectorWeights, read_weights
from cloud.errors import TrainingStopped
from cloud.training.experiments.process_memory import descendants, memory_bytes
from cloud.training.plan import FIRST_TRAINING, TrainingPlan, TrainingProgress, train
from cloud.training.run import epochs_of
from cloud.training.samples import TrainingImages
from messaging.figures import Figure, write_figures
from synth.street import DRAWN_CONDITIONS, WorldName, draw_still
from synth.torch_device import CPU_FLOAT32, TorchDevice, choose_device

COMMAND = "python -m cloud.training.experiments.bench_train"
SPEED_SIDE, SPEED_IMAGES, SPEED_BATCH, MOSAIC = 320, 48, 8, 0.3
COUNTED_EPOCHS = 2
FILES, DIFFERENT_IMAGES, MEMORY_SIDE, MEMORY_BATCH = 50_000, 200, 640, 16
FIRST_SEED = 900_000


class _Measured(Exception):
    """Enough steps were counted."""


@dataclass
class StepClock:
    """Images a second of the steps after `skipped`; raises `_Measured` at the last one."""

    skipped: int
    counted: int
    batch: int
    done: int = 0
    started_s: float = 0.0
    rate: float = 0.0

    def step(self) -> None:
        """Count one step."""
        self.done += 1
        if self.done == self.skipped:
            self.started_s = time.perf_counter()
        if self.done == self.skipped + self.counted:
            self.rate = self.counted * self.batch / (time.perf_counter() - self.started_s)
            raise _Measured


def draw_images(folder: Path, class_names: tuple[str, ...], count: int, side: int) -> Path:
    """A labelled folder of drawn square stills."""
    for number in range(count):
        condition = DRAWN_CONDITIONS[number % len(DRAWN_CONDITIONS)]
        seed = FIRST_SEED + number
        frame = draw_still(world=WorldName.BASE, seed=seed, condition=condition, size=(side, side))
        boxes = [TrueBox(box.class_name, box.xyxy) for box in frame.boxes]
        write_labelled(folder, f"still-{number:05d}", frame.image, boxes, class_names)
    return folder


@dataclass(frozen=True)
class SpeedBench:
    """The same images and settings for both trainers."""

    weights: DetectorWeights
    images: Path
    work: Path
    device: TorchDevice

    def pair(self, turn: int) -> tuple[float, float]:
        """Images a second of ultralytics' plain trainer, then of ours."""
        plain = self._plain(self.work / f"plain-{turn}")
        return plain, self._own(self.work / f"own-{turn}")

    def _clock(self) -> StepClock:
        steps = -(-SPEED_IMAGES // SPEED_BATCH)
        return StepClock(skipped=steps, counted=COUNTED_EPOCHS * steps, batch=SPEED_BATCH)

    def _plain(self, out: Path) -> float:
        clock, card = self._clock(), self.weights.card
        with contextlib.suppress(_Measured):
            train_plainly(
                self.images,
                card.class_names,
                out,
                architecture=card.architecture,
                side=SPEED_SIDE,
                batch=SPEED_BATCH,
                mosaic=MOSAIC,
                device=self.device,
                on_step=clock.step,
            )
        return clock.rate

    def _own(self, out: Path) -> float:
        clock = self._clock()
        card = replace(self.weights.card, input_width=SPEED_SIDE, input_height=SPEED_SIDE)
        recipe = replace(FIRST_TRAINING, epochs=100, batch=SPEED_BATCH, mosaic=MOSAIC)
        images = epochs_of(TrainingImages(list_labelled(self.images), (), card), recipe)
        options = TrainerOptions(
            training=out.name,
            state=self.work / "state",
            folder=out,
            epochs=recipe.epochs,
            batch=SPEED_BATCH,
            learning_rate=recipe.learning_rate,
            seed=recipe.seed,
            workers=0,
            device=self.device,
        )
        network = network_of(self.weights)
        with contextlib.suppress(_Measured):
            fine_tune(network, images, options, lambda _: clock.step())
        return clock.rate


def peak_memory_gb(weights: DetectorWeights, work: Path, *, files: int, steps: int, workers: int) -> float:
    """Peak memory of the process tree that lists `files` images and trains `steps` steps on them."""
    names = weights.card.class_names
    source = draw_images(work / "drawn", names, min(files, DIFFERENT_IMAGES), MEMORY_SIDE)
    folder = work / "linked"
    write_class_names(folder, names)
    stems = sorted(path.stem for path in (source / "images").iterdir())
    for number in range(files):
        stem = stems[number % len(stems)]
        os.link(source / "images" / f"{stem}.jpg", folder / "images" / f"file-{number:06d}.jpg")
        os.link(source / "labels" / f"{stem}.txt", folder / "labels" / f"file-{number:06d}.txt")
    parent = work / "parent.safetensors"
    weights.with_card(input_width=MEMORY_SIDE, input_height=MEMORY_SIDE).write(parent)
    recipe = replace(
        FIRST_TRAINING, epochs=1, batch=MEMORY_BATCH, frozen_layers=0, workers=workers, threads=1
    )
    plan = TrainingPlan(parent=parent, name="memory", replay=(folder,), recipe=recipe)
    peak, done = 0, 0

    def progress(seen: TrainingProgress) -> None:
        nonlocal done
        done = seen.step

    def measured() -> bool:
        nonlocal peak
        peak = max(peak, memory_bytes(descendants(os.getpid())))
        return done >= steps

    try:
        train(plan, work / "out", progress=progress, should_stop=measured)
    except TrainingStopped:
        return peak / 1e9
    raise AssertionError(f"the training of {files} images ended before {steps} steps")


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("weights", type=Path, help="weights file of the architecture to train")
    parser.add_argument("--turns", type=int, default=4, help="pairs of measurements (default 4)")
    parser.add_argument("--steps", type=int, default=200, help="steps of the memory run (default 200)")
    parser.add_argument("--files", type=int, default=FILES, help=f"its image files (default {FILES})")
    parser.add_argument("--workers", type=int, default=2, help="its worker processes (default 2)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument("--out", type=Path, default=Path("out/figures/bench_train.json"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    weights = read_weights(given.weights)
    device = choose_device()
    if device.device.type != "cuda":
        device = CPU_FLOAT32  # ultralytics trains in no other precision there
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=given.out.parent) as work:
        folder = draw_images(Path(work) / "speed", weights.card.class_names, SPEED_IMAGES, SPEED_SIDE)
        bench = SpeedBench(weights, folder, Path(work), device)
        pairs = [bench.pair(turn) for turn in range(given.turns)]
        peak = peak_memory_gb(
            weights, Path(work) / "memory", files=given.files, steps=given.steps, workers=given.workers
        )
    figures = [
        Figure(
            "speed_ratio", statistics.median(own / plain for plain, own in pairs), "", ">= 0.9", len(pairs)
        ),
        Figure("plain_images_per_second", statistics.median(plain for plain, _ in pairs), "images/s"),
        Figure("own_images_per_second", statistics.median(own for _, own in pairs), "images/s"),
        Figure(f"peak_memory_gb_{given.files // 1000}k_images", peak, "GB", "<= 4", given.steps),
    ]
    for figure in figures:
        sys.stdout.write(f"{figure.name}: {figure.value_text}\n")
    sys.stdout.write(f"on {device}\n")
    now = datetime.datetime.now(tz=datetime.UTC)
    write_figures(given.out, figures, command=" ".join([COMMAND, *sys.argv[1:]]), now=now)


if __name__ == "__main__":
    main()
