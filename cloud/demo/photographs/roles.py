"""Real photographs and what each may be used for: one role a scene, decided by the lists below.

Reads a data set in the layout of `data/hazards` (data.yaml, index.csv, images/, labels/) in place; copies go
below the run's own folder. The photographs of the two camera roads are used by their cameras only: no
training, no holdout, no background. The split `val` is read separately, after the loop. Nothing here trains
or evaluates.
"""

import csv
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.data.boxes import NormalisedBox
from cloud.data.index_file import parse_condition
from cloud.data.labelled_images import label_text, write_class_names
from cloud.data.photograph_index import PhotographRow, read_labels, read_photograph_index
from cloud.errors import DataRefused
from messaging.taxonomy import Condition

SMALL_PX = 32.0
LONGER_SIDE_PX = 640.0
POTHOLE = "pothole"
ROAD_SOURCE, NEAR_SOURCE = "dnit", "potseg"

CAMERA_ROADS = {"rs290-km294": "dnit_RS_290_290RS294095", "rs290-km070": "dnit_RS_290_290RS070691"}
BACKGROUND_ROADS = frozenset({"dnit_RS_386_386RS169832", "dnit_RS_386_386RS191729", "dnit_DF_010"})
JUDGE_ROADS = BACKGROUND_ROADS | {"dnit_RS_290_290RS150131"}
JUDGE_CALIBRATION_ROAD = "dnit_DF_060"
HOLDOUT_SCENES = frozenset({"cctv_courtyard_ch3", "cctv_home_cam2", "trash_20231208"})
CALIBRATION_SCENES = frozenset({"furg_house6", "trash_20231203"})
EVERY = {"cctvfire": 2, "trash": 3, "dfire": 2}
POTHOLE_GROUPS = 6  # of six groups of near potholes one is calibrated on, one judges, four are learned from


@dataclass(frozen=True)
class Photograph:
    """One photograph of the data set. `width`, `height` in pixels; boxes normalised, by class name."""

    path: Path
    labels: Path
    source: str
    scene: str
    condition: str
    width: int
    height: int
    boxes: tuple[NormalisedBox, ...]

    def shorter_side_px(self, box: NormalisedBox) -> float:
        """Shorter side of a box when the photograph's longer side is 640 px."""
        _, _, w, h = box.cxcywh
        return min(w * self.width, h * self.height) * LONGER_SIDE_PX / max(self.width, self.height)

    @property
    def has_small_pothole(self) -> bool:
        """Whether a pothole under 32 px is in it."""
        return any(b.class_name == POTHOLE and self.shorter_side_px(b) < SMALL_PX for b in self.boxes)

    @property
    def has_pothole(self) -> bool:
        """Whether any pothole is in it."""
        return any(b.class_name == POTHOLE for b in self.boxes)


def read_photographs(data: Path, split: str) -> tuple[Photograph, ...]:
    """The photographs of one split, `train` or `val`, in the order of the index. Raises `DataRefused`."""
    classes, rows = read_photograph_index(data, split)
    try:
        return tuple(_photograph(row, classes) for row in rows)
    except (KeyError, ValueError) as error:
        raise DataRefused(f"{data} is not the hazards data set: {error!r} in index.csv") from None


def _photograph(row: PhotographRow, classes: Sequence[str]) -> Photograph:
    return Photograph(
        path=row.image,
        labels=row.labels,
        source=row.values["source"],
        scene=row.values["scene"],
        condition=row.values["condition"],
        width=int(row.values["width"]),
        height=int(row.values["height"]),
        boxes=read_labels(row.labels, classes),
    )


@dataclass(frozen=True)
class Roles:
    """The photographs of each role.

    Attributes:
        roads: the cameras' photographs in order, by camera name.
        base: training of the starting detector, and replay; no pothole under 32 px.
        calibration: thresholds of the starting detector.
        holdout: the cloud's evaluation of a candidate; no highway in it.
        backgrounds: highway photographs without any hazard, to inpaint.
        judge: potholes of every size on highways, for the judge and teacher.
        judge_calibration: its thresholds.
    """

    roads: dict[str, tuple[Photograph, ...]]
    base: tuple[Photograph, ...]
    calibration: tuple[Photograph, ...]
    holdout: tuple[Photograph, ...]
    backgrounds: tuple[Photograph, ...]
    judge: tuple[Photograph, ...]
    judge_calibration: tuple[Photograph, ...]


def roles_of(train: Sequence[Photograph]) -> Roles:
    """Give every train photograph its role. Raises `DataRefused` when a camera road is missing."""
    groups = _pothole_groups(train)
    roads = {name: tuple(p for p in train if p.scene == scene) for name, scene in CAMERA_ROADS.items()}
    if not all(roads.values()):
        raise DataRefused(f"the data set lacks one of the roads {', '.join(CAMERA_ROADS.values())}")

    def chosen(wanted: Callable[[Photograph], bool]) -> tuple[Photograph, ...]:
        return tuple(p for p in train if wanted(p))

    apart = {*CAMERA_ROADS.values(), *BACKGROUND_ROADS, JUDGE_CALIBRATION_ROAD}
    apart |= HOLDOUT_SCENES | CALIBRATION_SCENES
    return Roles(
        roads=roads,
        base=_thinned(
            chosen(lambda p: p.scene not in apart and groups.get(p.scene, 2) > 1 and not p.has_small_pothole)
        ),
        calibration=chosen(lambda p: p.scene in CALIBRATION_SCENES or groups.get(p.scene) == 0),
        holdout=chosen(lambda p: p.scene in HOLDOUT_SCENES or groups.get(p.scene) == 1),
        backgrounds=chosen(lambda p: p.scene in BACKGROUND_ROADS and not p.boxes),
        judge=chosen(lambda p: p.scene in JUDGE_ROADS and p.has_pothole),
        judge_calibration=chosen(lambda p: p.scene == JUDGE_CALIBRATION_ROAD),
    )


def of_highways(photograph: Photograph) -> bool:
    """Whether it shows one of the highways."""
    return photograph.source == ROAD_SOURCE


def _thinned(photographs: Sequence[Photograph]) -> tuple[Photograph, ...]:
    """Every n-th photograph of fixed cameras, whose images are nearly equal."""
    counted: Counter[str] = Counter()
    kept = []
    for photograph in photographs:
        if counted[photograph.source] % EVERY.get(photograph.source, 1) == 0:
            kept.append(photograph)
        counted[photograph.source] += 1
    return tuple(kept)


def _pothole_groups(train: Iterable[Photograph]) -> dict[str, int]:
    """The groups of near potholes, dealt out in turn: scene -> 0 (calibration), 1 (holdout), 2 and up."""
    scenes = sorted({p.scene for p in train if p.source == NEAR_SOURCE})
    return {scene: index % POTHOLE_GROUPS for index, scene in enumerate(scenes)}


def write_folder(photographs: Iterable[Photograph], folder: Path, classes: Sequence[str]) -> Path:
    """Copy photographs into a labelled folder, labels in the order of `classes`. Returns the folder."""
    write_class_names(folder, classes)
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "scene", "condition"])
        for photograph in photographs:
            shutil.copyfile(photograph.path, folder / "images" / photograph.path.name)
            text = label_text(photograph.boxes, classes)
            (folder / "labels" / f"{photograph.path.stem}.txt").write_text(text)
            condition = parse_condition(photograph.condition) or Condition()
            writer.writerow([f"images/{photograph.path.name}", photograph.scene, condition.key])
    return folder
