"""Labelled boxes, and the rows of YOLO label files that they are read from.

A row is `index x y width height`, fractions of the image, blanks between. Nothing is repaired: a row that is
no box, or leaves the image, is a fault; one that is there twice in its file counts once and is noted.
Polygons are boxes only on request.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cloud.data.faults import DataFindings

SLACK = 0.02
TWICE = "boxes are there twice and count once"
FEWEST_POLYGON_FIELDS = 7
_FORM = "write `index x y width height`, fractions of the image from 0 to 1, blanks between"
_POLYGON = "convert it to boxes, or read its bounding box with --segments-as-boxes"


@dataclass(frozen=True)
class TrueBox:
    """One labelled hazard: `xyxy` in pixels of its image."""

    class_name: str
    xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class NormalisedBox:
    """One line of a label file: class name and centre, width, height, normalised to 0-1."""

    class_name: str
    cxcywh: tuple[float, float, float, float]

    def pixels(self, width: int, height: int) -> TrueBox:
        """The box in pixels, clipped to the image."""
        x, y, w, h = self.cxcywh
        corners = (
            max(x - w / 2, 0.0) * width,
            max(y - h / 2, 0.0) * height,
            min(x + w / 2, 1.0) * width,
            min(y + h / 2, 1.0) * height,
        )
        return TrueBox(self.class_name, corners)


def parse_rows(
    text: str,
    class_names: Sequence[str],
    where: str,
    findings: DataFindings,
    *,
    segments_as_boxes: bool = False,
) -> tuple[NormalisedBox, ...]:
    """The boxes of one label file; what is no box is a fault with its line."""
    boxes: dict[NormalisedBox, int] = {}
    for line, row in enumerate(text.splitlines(), start=1):
        fields = row.split()
        if not fields:
            continue
        found = _parse_row(fields, len(class_names), segments_as_boxes=segments_as_boxes)
        if isinstance(found, str):
            what, _, remedy = found.partition("; ")
            findings.fault(where, what, remedy, line=line)
            continue
        index, cxcywh = found
        box = NormalisedBox(class_names[index], cxcywh)
        if box in boxes:
            findings.gather(TWICE, f"{where} line {line}")
        boxes.setdefault(box, line)
    return tuple(boxes)


def box_fault(cxcywh: Sequence[float]) -> str | None:
    """Why normalised numbers are no box; None if they are one."""
    x, y, w, h = cxcywh
    shown = " ".join(f"{value:g}" for value in cxcywh)
    inside = min(x - w / 2, y - h / 2) >= -SLACK and max(x + w / 2, y + h / 2) <= 1 + SLACK
    if not all(map(math.isfinite, cxcywh)) or not inside:
        return f"box {shown} leaves the image"
    visible = min(x + w / 2, 1.0) > max(x - w / 2, 0.0) and min(y + h / 2, 1.0) > max(y - h / 2, 0.0)
    return None if w > 0 and h > 0 and visible else f"box {shown} is empty"


def _parse_row(
    fields: Sequence[str], classes: int, *, segments_as_boxes: bool
) -> tuple[int, tuple[float, float, float, float]] | str:
    """Class index and box of a row, or what is wrong with it and the remedy."""
    shown = " ".join(fields)[:80]
    polygon = len(fields) >= FEWEST_POLYGON_FIELDS and len(fields) % 2 == 1
    if polygon and not segments_as_boxes:
        return f"{(len(fields) - 1) // 2} points of a polygon; {_POLYGON}"
    if len(fields) != 5 and not polygon:
        return f"expected 5 fields, got {len(fields)}: {shown!r}; {_FORM}"
    try:
        index, values = int(fields[0]), [float(field) for field in fields[1:]]
    except ValueError:
        return f"expected a class index and numbers, got {shown!r}; {_FORM}"
    if not 0 <= index < classes:
        return f"class index {index}, but there are {classes} class names; indices begin at 0"
    if polygon:
        xs, ys = values[0::2], values[1::2]
        left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
        values = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
    wrong = box_fault(values)
    if wrong is not None:
        pixels = all(map(math.isfinite, values)) and max(values) > 2
        return f"{wrong}; {'these are pixels: ' if pixels else ''}use fractions of the image from 0 to 1"
    x, y, w, h = values
    return index, (x, y, w, h)
