"""Do patches that hold nothing raise alarms? Counts them, so that a detector cannot pass by learning patches.

A detector trained on painted images may learn that a painted patch is a hazard. Here hazard-free pictures
get patches painted *empty*, pasted and sent through a camera as training images are, and both models look
at every picture with and without them: every box is a false alarm. The pictures are drawn streets of a world
that nobody trained on, or photographs whose owner vouches that they show no hazard. Runs as a process of its
own (`python -m cloud.demo.drawn.painted_empty`) beside other work; it never sees the demo's footage.
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
from messaging.blobs import write_atomically
from messaging.errors import BlindspotError
from messaging.runtime.child_process import ChildProcess
from messaging.taxonomy import Condition, Light, RegionBin, SizeBin, Weather, taxonomy_of
from synth.generation.compositing import Pasting, apply_camera, paste
from synth.generation.generator import Generator
from synth.generation.inpainting import Inpainter
from synth.order import SynthesisOrder, WeightedGeometry
from synth.planning.backgrounds import Background, Backgrounds, DrawnBackgrounds, FolderBackgrounds
from synth.planning.layout import ScenePlan, plan_scene
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
    """One hazard-free picture as its camera delivers it, and the same with empty patches pasted before."""

    plain: Image
    patched: Image


def pairs(
    generator: Generator, backgrounds: Backgrounds, scenes: Sequence[Condition], count: int
) -> Iterator[Pair]:
    """`count` pictures, the conditions in equal shares.

    Each gets two patches that only pass the generator's encoder and decoder, every other one of a condition
    an empty painting besides: the dear part of the work.
    """
    taxonomy = taxonomy_of(DRAWN_CLASSES)
    for number, condition in enumerate(scenes):
        painter = Inpainter(_order(condition, DRAWN_CLASSES[0]), generator, taxonomy, None, lambda: False)
        wanted = range(number, count, len(scenes))
        planned = (
            _scene(condition, backgrounds, index, places=1 - turn % 2) for turn, index in enumerate(wanted)
        )
        while group := list(itertools.islice(planned, GROUP)):
            yield from _developed(group, painter.inpaint_empty(group))


def count_alarms(found: Iterator[Pair], base: Detector, promoted: Detector, *, drawn: bool) -> FalseAlarms:
    """Boxes that both models give on the pairs, above the thresholds that they serve with."""
    alarms = FalseAlarms(pictures=0, drawn=drawn)
    for pair in found:
        before, after = (
            [len(boxes) for boxes in detector.detect([pair.plain, pair.patched])]
            for detector in (base, promoted)
        )
        alarms = replace(
            alarms,
            pictures=alarms.pictures + 1,
            base_plain=alarms.base_plain + before[0],
            base_patched=alarms.base_patched + before[1],
            promoted_plain=alarms.promoted_plain + after[0],
            promoted_patched=alarms.promoted_patched + after[1],
        )
    return alarms


class AlarmCount:
    """The count for two bundles, in a process of its own that is under way from the start."""

    def __init__(
        self, base: Path, promoted: Path, out: Path, *, pictures: int, photographs: Path | None
    ) -> None:
        arguments: list[str | Path] = [
            sys.executable,
            "-m",
            "cloud.demo.drawn.painted_empty",
            base,
            promoted,
            out,
        ]
        arguments += ["--pictures", str(pictures)]
        arguments += [] if photographs is None else ["--photographs", photographs]
        self._out = out
        self._child = ChildProcess(
            arguments, log=out.with_suffix(".log"), environment={"OMP_NUM_THREADS": "1"}
        )
        self._deadline = time.monotonic() + LIMIT_S

    def result(self, tick: Callable[[], object]) -> FalseAlarms:
        """Wait for it; `tick` is called meanwhile and sleeps a little. Raises `DemoFailed`."""
        while self._child.poll() is None and time.monotonic() < self._deadline:
            tick()
        if self._child.stop() != 0:
            raise DemoFailed(f"false alarms on empty patches were not counted: {self._child.tail(5)}")
        return FalseAlarms(**json.loads(self._out.read_text()))

    def stop(self) -> None:
        """End it."""
        self._child.kill()


def _scene(
    condition: Condition, backgrounds: Backgrounds, index: int, *, places: int
) -> tuple[ScenePlan, Background]:
    """A background and the first places of its plan; the classes take turns, to spread the patches."""
    width, height = SIZE
    background = backgrounds.get(SEED, index, condition=condition, width=width, height=height)
    order = _order(condition, DRAWN_CLASSES[index % len(DRAWN_CLASSES)])
    plan = plan_scene(order, index, width=width, height=height, ground=background.ground)
    return replace(plan, places=plan.places[:places]), background


def _developed(
    scenes: Sequence[tuple[ScenePlan, Background]], patches: Sequence[tuple[Pasting, ...]]
) -> Iterator[Pair]:
    """Both images of every scene, through the same camera with the same noise."""
    for (plan, background), pastings in zip(scenes, patches, strict=True):
        patched = paste(background, list(pastings), np.random.default_rng([SEED, plan.index, 1]))
        plain, covered = (
            apply_camera(image, background, np.random.default_rng([SEED, plan.index, 2]))
            for image in (background.image, patched)
        )
        yield Pair(plain, covered)


def _order(condition: Condition, class_name: str) -> SynthesisOrder:
    return SynthesisOrder(
        order="painted-empty",
        class_name=class_name,
        light=condition.light,
        weather=condition.weather,
        geometry=_ANYWHERE,
        count=1,
        seed=SEED,
        patch_budget=1,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the counting process; returns the exit code."""
    parser = argparse.ArgumentParser(prog="cloud.demo.drawn.painted_empty", description=__doc__)
    parser.add_argument("base", type=Path, help="bundle that served before the first campaign")
    parser.add_argument("promoted", type=Path, help="bundle that serves now")
    parser.add_argument("out", type=Path, help="JSON file of the counts")
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--photographs", type=Path, help="folder of hazard-free pictures; else drawn streets")
    given = parser.parse_args(arguments)
    try:
        alarms = _count(given.base, given.promoted, given.photographs, given.pictures)
    except BlindspotError as error:
        logger.error("%s", error)
        return 1
    write_atomically(given.out, json.dumps(asdict(alarms)).encode())
    return 0


def _count(base: Path, promoted: Path, photographs: Path | None, pictures: int) -> FalseAlarms:
    detectors = OnnxDetector(base), OnnxDetector(promoted)
    if photographs is None:
        found = pairs(_generator(), DrawnBackgrounds(WorldName.HOLDOUT), CONDITIONS, pictures)
    else:
        found = pairs(_generator(), FolderBackgrounds(photographs), (Condition(),), pictures)
    return count_alarms(found, *detectors, drawn=photographs is None)


def _generator() -> Generator:
    from synth.generation.stable_diffusion import DiffusionGenerator

    return DiffusionGenerator.from_folder()


if __name__ == "__main__":
    raise SystemExit(main())
