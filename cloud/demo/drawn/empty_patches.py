"""Count the false alarms that empty inpainted patches cause, so that no detector passes by learning patches.

A detector trained on inpainted images may learn that an inpainted patch is a hazard. Here hazard-free images
get patches inpainted *empty*, pasted and given camera noise like training images, and both models process
every image with and without them: every detection is a false alarm. The images are drawn streets of a world
that no model was trained on, or photographs that the user vouches for. Runs as a process of its own (`python
-m cloud.demo.drawn.empty_patches`); it never reads the demo's footage.
"""

import argparse
import itertools
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from cloud.demo.result import FalseAlarms
from cloud.demo.script import CAMERAS
from cloud.errors import DemoFailed
from edge.vision.detector import Detector, Image
from edge.vision.onnx_detector import OnnxDetector
from messaging.errors import BlindspotError
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.child_process import ChildProcess
from messaging.taxonomy import Condition, Light, RegionBin, SizeBin, Weather
from synth.generation.compositing import Pasting, apply_camera, paste
from synth.generation.generator import Generator
from synth.generation.inpainting import Inpainter
from synth.order import SynthesisOrder, WeightedGeometry
from synth.planning.backgrounds import Background, Backgrounds, DrawnBackgrounds, FolderBackgrounds
from synth.planning.layout import ScenePlan, plan_scene
from synth.planning.vocabulary import read_vocabulary
from synth.street import DRAWN_CLASSES, WorldName

logger = logging.getLogger(__name__)

GROUP = 32
SIZE = (640, 360)
SEED = 20_261
LIMIT_S = 180.0
CONDITIONS = tuple(
    dict.fromkeys((Condition(Light.DAY, Weather.CLEAR), *(camera.condition for camera in CAMERAS)))
)
_ANYWHERE = (
    WeightedGeometry(size=SizeBin.SMALL, region=RegionBin.UNKNOWN, weight=1.0),
    WeightedGeometry(size=SizeBin.MEDIUM, region=RegionBin.UNKNOWN, weight=1.0),
)


@dataclass(frozen=True, eq=False)
class Pair:
    """One hazard-free image as its camera delivers it, and the same image with empty patches."""

    plain: Image
    patched: Image


def pairs(
    generator: Generator, backgrounds: Backgrounds, scenes: Sequence[Condition], count: int
) -> Iterator[Pair]:
    """`count` images, the conditions in turn.

    Each gets two patches that only pass the generator's encoder and decoder; every second one of a condition
    also gets a patch inpainted empty, which takes most of the time.
    """
    for number, condition in enumerate(scenes):
        inpainter = Inpainter(
            _order(condition, DRAWN_CLASSES[0]), generator, read_vocabulary(), None, lambda: False
        )
        indices = range(number, count, len(scenes))
        planned = (
            _scene(condition, backgrounds, index, places=1 - turn % 2) for turn, index in enumerate(indices)
        )
        while group := list(itertools.islice(planned, GROUP)):
            yield from _with_camera(group, inpainter.inpaint_empty(group))


def count_alarms(found: Iterator[Pair], base: Detector, promoted: Detector, *, drawn: bool) -> FalseAlarms:
    """Detections of both models on the pairs, at the thresholds of their bundles."""
    alarms = FalseAlarms(images=0, drawn=drawn)
    for pair in found:
        before, after = (
            [len(boxes) for boxes in detector.detect([pair.plain, pair.patched])]
            for detector in (base, promoted)
        )
        alarms = replace(
            alarms,
            images=alarms.images + 1,
            base_plain=alarms.base_plain + before[0],
            base_patched=alarms.base_patched + before[1],
            promoted_plain=alarms.promoted_plain + after[0],
            promoted_patched=alarms.promoted_patched + after[1],
        )
    return alarms


class FalseAlarmCount:
    """The count for two bundles, in a process of its own that starts at once."""

    def __init__(
        self, base: Path, promoted: Path, out: Path, *, images: int, photographs: Path | None
    ) -> None:
        arguments: list[str | Path] = [
            sys.executable,
            "-m",
            "cloud.demo.drawn.empty_patches",
            base,
            promoted,
            out,
        ]
        arguments += ["--images", str(images)]
        arguments += [] if photographs is None else ["--photographs", photographs]
        self._out = out
        self._child = ChildProcess(
            arguments, log=out.with_suffix(".log"), environment={"OMP_NUM_THREADS": "1"}
        )
        self._deadline = time.monotonic() + LIMIT_S

    def result(self, tick: Callable[[], object]) -> FalseAlarms:
        """Wait for the result, calling `tick` meanwhile, which sleeps a little. Raises `DemoFailed`."""
        while self._child.poll() is None and time.monotonic() < self._deadline:
            tick()
        if self._child.stop() != 0:
            raise DemoFailed(f"false alarms on empty patches were not counted: {self._child.tail(5)}")
        return FalseAlarms(**json.loads(self._out.read_text()))

    def stop(self) -> None:
        """Stop it."""
        self._child.kill()


def _scene(
    condition: Condition, backgrounds: Backgrounds, index: int, *, places: int
) -> tuple[ScenePlan, Background]:
    """A background and the first places of its plan; the class, and so the place, changes with the index."""
    width, height = SIZE
    background = backgrounds.get(SEED, index, condition=condition, width=width, height=height)
    order = _order(condition, DRAWN_CLASSES[index % len(DRAWN_CLASSES)])
    plan = plan_scene(order, index, width=width, height=height, ground=background.ground)
    return replace(plan, places=plan.places[:places]), background


def _with_camera(
    scenes: Sequence[tuple[ScenePlan, Background]], patches: Sequence[tuple[Pasting, ...]]
) -> Iterator[Pair]:
    """Both images of every scene, with the same camera noise."""
    for (plan, background), pastings in zip(scenes, patches, strict=True):
        patched = paste(background, list(pastings), np.random.default_rng([SEED, plan.index, 1]))
        plain, covered = (
            apply_camera(image, background, np.random.default_rng([SEED, plan.index, 2]))
            for image in (background.image, patched)
        )
        yield Pair(plain, covered)


def _order(condition: Condition, class_name: str) -> SynthesisOrder:
    return SynthesisOrder(
        order="empty-patches",
        class_name=class_name,
        light=condition.light,
        weather=condition.weather,
        geometry=_ANYWHERE,
        count=1,
        seed=SEED,
        patch_budget=1,
        best_of=1,
        image_width=640,
        image_height=360,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the counting process; returns the exit code."""
    parser = argparse.ArgumentParser(prog="cloud.demo.drawn.empty_patches", description=__doc__)
    parser.add_argument("base", type=Path, help="bundle in service before the first campaign")
    parser.add_argument("promoted", type=Path, help="bundle in service now")
    parser.add_argument("out", type=Path, help="JSON file of the counts")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--photographs", type=Path, help="folder of hazard-free images; else drawn streets")
    given = parser.parse_args(arguments)
    try:
        alarms = _count(given.base, given.promoted, given.photographs, given.images)
    except BlindspotError as error:
        logger.error("%s", error)
        return 1
    write_atomically(given.out, json.dumps(asdict(alarms)).encode())
    return 0


def _count(base: Path, promoted: Path, photographs: Path | None, images: int) -> FalseAlarms:
    detectors = OnnxDetector(base), OnnxDetector(promoted)
    if photographs is None:
        found = pairs(_generator(), DrawnBackgrounds(WorldName.HOLDOUT), CONDITIONS, images)
    else:
        found = pairs(_generator(), FolderBackgrounds(photographs), (Condition(),), images)
    return count_alarms(found, *detectors, drawn=photographs is None)


def _generator() -> Generator:
    from synth.generation.stable_diffusion import DiffusionGenerator

    return DiffusionGenerator.from_folder()


if __name__ == "__main__":
    raise SystemExit(main())
