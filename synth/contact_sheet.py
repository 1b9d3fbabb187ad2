"""A contact sheet: what a generator makes of one class under one condition, for a person to judge.

One row for each hazard, at the size of the patch: the background before, the hazard, the same place inpainted
empty, the difference between the two, and the label that follows from it, in its frame. Dark patches are
brightened, all three alike; the frame is as its camera delivers it. Neither judges nor filters are used.
Images are BGR uint8 (h, w, 3). Also the command line `python -m synth.contact_sheet`.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.program import configure_logging, exit_code_of
from synth.generation.compositing import apply_camera, cut, paste
from synth.generation.exposure import exposure_of
from synth.generation.generator import Generator
from synth.generation.inpainting import InpaintedPlace, InpaintedScene, Inpainter
from synth.order import SynthesisOrder, read_order
from synth.planning.backgrounds import Background, Backgrounds
from synth.planning.layout import plan_scene
from synth.planning.patches import Image, window_rule
from synth.planning.vocabulary import Vocabulary
from synth.run_arguments import add_generator_arguments, open_inputs

COLUMNS = ("background", "hazard", "empty", "difference", "label")
_CELL_PX, _GAP_PX, _TITLE_PX = 192, 6, 26
_AMPLIFIED = 3
_PAPER, _INK, _BOX = (245, 245, 245), (40, 40, 40), (40, 220, 40)
_INK_ON_DARK = (200, 200, 200)
_CONTEXT = 1.6


@dataclass(frozen=True, eq=False)
class ContactSheet:
    """The sheet as an image, how many hazards it shows, how many of them got a label, and their prompts."""

    image: Image
    hazards: int
    labelled: int
    prompts: tuple[str, ...]

    @property
    def png(self) -> bytes:
        """The image as a PNG file."""
        return cv2.imencode(".png", self.image)[1].tobytes()

    def write(self, path: Path) -> None:
        """The image as a PNG file, and beside it, with the ending `.json`, the rest."""
        facts = {"hazards": self.hazards, "labelled": self.labelled, "prompts": self.prompts}
        write_atomically(path.with_suffix(".json"), json.dumps(facts).encode())
        write_atomically(path, self.png)


def contact_sheet(
    order: SynthesisOrder,
    generator: Generator,
    backgrounds: Backgrounds,
    vocabulary: Vocabulary,
) -> ContactSheet:
    """Inpaint `order.count` hazards and arrange them. Raises `SynthesisError`."""
    inpainter = Inpainter(order, generator, vocabulary, None, lambda: False)
    rows: list[list[Image]] = []
    labelled, prompts, index = 0, list[str](), 0
    while len(rows) < order.count:
        scene, index = _scene(order, inpainter, backgrounds, index), index + 1
        for place in scene.places[: order.count - len(rows)]:
            rows.append(_row(order, scene, place))
            labelled += place.label is not None
            prompts.append(place.hazard.provenance.prompt)
    return ContactSheet(_arranged(rows), len(rows), labelled, tuple(prompts))


def _scene(
    order: SynthesisOrder, inpainter: Inpainter, backgrounds: Backgrounds, index: int
) -> InpaintedScene:
    background = backgrounds.get(
        order.seed, index, condition=order.condition, width=order.image_width, height=order.image_height
    )
    height, width = background.image.shape[:2]
    window = window_rule(inpainter.generator.patch_px)
    plan = plan_scene(order, index, width=width, height=height, ground=background.ground, window=window)
    (scene,) = inpainter.inpaint([(plan, background)])
    return scene


def _row(order: SynthesisOrder, scene: InpaintedScene, place: InpaintedPlace) -> list[Image]:
    hazard, empty = place.hazard.image, place.empty.image
    before = cut(scene.background, place.place.window, len(hazard))
    power = exposure_of(before)
    difference = np.abs(hazard.astype(np.int16) - empty.astype(np.int16)) * _AMPLIFIED
    rng = np.random.default_rng([order.seed, place.place.seed])
    frame = paste(scene.background, [place.pasting(with_hazard=True)], rng)
    frame = apply_camera(frame, scene.background, rng)
    return [
        *(_brightened(_cell(image), power) for image in (before, hazard, empty)),
        _cell(np.clip(difference, 0, 255).astype(np.uint8)),
        _labelled_cell(frame, scene.background, place),
    ]


def _labelled_cell(frame: Image, background: Background, place: InpaintedPlace) -> Image:
    """The frame around the window, with the box of the label; without a label it is said so."""
    window = place.place.window
    height, width = background.image.shape[:2]
    side = min(round(window.side * _CONTEXT), width, height)
    left = min(max(window.left + (window.side - side) // 2, 0), width - side)
    top = min(max(window.top + (window.side - side) // 2, 0), height - side)
    cell = _cell(frame[top : top + side, left : left + side])
    scale = _CELL_PX / side
    if place.tight is None:
        return _written(cell, "no difference", (8, _CELL_PX - 10), (40, 40, 235))
    x1, y1, x2, y2 = place.tight
    corners = [(round((x - left) * scale), round((y - top) * scale)) for x, y in ((x1, y1), (x2, y2))]
    return np.asarray(cv2.rectangle(cell, corners[0], corners[1], _BOX, 1), np.uint8)


def _cell(image: Image) -> Image:
    method = cv2.INTER_AREA if len(image) > _CELL_PX else cv2.INTER_CUBIC
    return np.array(cv2.resize(image, (_CELL_PX, _CELL_PX), interpolation=method), np.uint8)


def _brightened(image: Image, power: float) -> Image:
    """A dark patch as an eye sees it that has got used to the dark; 1 leaves it as it is."""
    if power == 1.0:
        return image
    levels = np.rint(255 * (np.arange(256) / 255) ** power).astype(np.uint8)
    return _written(np.asarray(levels[image]), "brightened", (8, _CELL_PX - 10), _INK_ON_DARK)


def _arranged(rows: Sequence[Sequence[Image]]) -> Image:
    step = _CELL_PX + _GAP_PX
    height, width = _TITLE_PX + step * len(rows), step * len(COLUMNS) + _GAP_PX
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    for column, title in enumerate(COLUMNS):
        left = _GAP_PX + column * step
        sheet = _written(sheet, title, (left, _TITLE_PX - 9), _INK)
        for row, cells in enumerate(rows):
            top = _TITLE_PX + row * step
            sheet[top : top + _CELL_PX, left : left + _CELL_PX] = cells[column]
    return sheet


def _written(image: Image, text: str, place: tuple[int, int], colour: tuple[int, int, int]) -> Image:
    return np.asarray(
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA), np.uint8
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m synth.contact_sheet ORDER.json SHEET.png ...`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="synth.contact_sheet", description="Generate samples of an order.")
    parser.add_argument("order", type=Path, help="the order as JSON; its count is that of the hazards")
    parser.add_argument("sheet", type=Path, help="the PNG file; numbers and prompts are written beside it")
    add_generator_arguments(parser)
    given = parser.parse_args(arguments)
    configure_logging()

    def generate() -> None:
        order = read_order(given.order)
        contact_sheet(order, *open_inputs(given, order.sampling)).write(given.sheet)

    return exit_code_of(generate)


if __name__ == "__main__":
    raise SystemExit(main())
