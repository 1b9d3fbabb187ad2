"""The small pack of photographs that ships: replay, calibration and holdout for campaigns of the demo.

    photograph_pack/ROLE/   images/, labels/, classes.json, index.csv
    photograph_pack/origins.csv    sha256 of the photograph that each image was made from

Only sources with a certain licence. Replay and calibration are of the split `train`, by the scenes that the
shipped detector learned from and those kept for its thresholds; the holdout is of `val`.
`python -m cloud.starting_detector.photograph_pack` makes it again.
"""

import argparse
import csv
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import cv2

from cloud.data.labelled_images import (
    label_text,
    list_labelled,
    write_class_names,
    write_index,
)
from cloud.data.roles import DataRole
from cloud.starting_detector.photographs import TRAIN, VAL, HazardPhotograph, read_photographs
from messaging.runtime.program import exit_code_of
from synth.street import DRAWN_CLASSES

Some = TypeVar("Some")
PACK = Path(__file__).with_name("photograph_pack")
ORIGINS = "origins.csv"
LONGEST_SIDE_PX = 448
JPEG_QUALITY = 82
MOST_OF_A_SOURCE = {"amsterdam": 48, "dnit": 50, "rise": 18}
MOST_OF_OTHERS = 12


def make_pack(sets: Sequence[Path], folder: Path) -> Path:
    """Write the pack from the data sets. Returns the folder."""
    train = read_photographs(sets, TRAIN, only_certain=True)
    roles = {
        DataRole.REPLAY: [p for p in train if not p.for_thresholds],
        DataRole.CALIBRATION: [p for p in train if p.for_thresholds],
        DataRole.HOLDOUT: read_photographs(sets, VAL, only_certain=True),
    }
    origins = []
    for role, photographs in roles.items():
        for photograph in _write_role(thinned(photographs), folder / role):
            digest = hashlib.sha256(photograph.path.read_bytes()).hexdigest()
            origins.append((f"{role}/images/{photograph.path.name}", photograph.source, digest))
    with (folder / ORIGINS).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("file", "source", "sha256_of_origin"), *origins])
    return folder


def thinned(photographs: Sequence[HazardPhotograph]) -> list[HazardPhotograph]:
    """At most `MOST_OF_A_SOURCE` of each source, evenly over its photographs; those with a hazard first."""
    kept = []
    for source in sorted({p.source for p in photographs}):
        some = sorted((p for p in photographs if p.source == source), key=lambda p: not p.boxes)
        most = MOST_OF_A_SOURCE.get(source, MOST_OF_OTHERS)
        with_hazard = [p for p in some if p.boxes]
        without = some[len(with_hazard) :]
        for_hazards = min(len(with_hazard), max(most - len(without), round(0.8 * most)))
        kept += _evenly(with_hazard, for_hazards) + _evenly(without, most - for_hazards)
    return kept


def part_of_pack(role: DataRole, most: int, folder: Path) -> Path:
    """Copy at most so many images of a role, evenly over the pack, into a folder. Returns the folder."""
    part = _evenly(list_labelled(PACK / role), most)
    write_class_names(folder, DRAWN_CLASSES)
    for file in part:
        shutil.copyfile(file.path, folder / "images" / file.path.name)
        labels = label_text(file.boxes, DRAWN_CLASSES)
        (folder / "labels" / f"{file.path.stem}.txt").write_text(labels)
    write_index(folder, [(file.path.name, file.scene, file.condition) for file in part])
    return folder


def _write_role(photographs: Sequence[HazardPhotograph], folder: Path) -> Sequence[HazardPhotograph]:
    """Write these photographs as a labelled folder, smaller. Returns them."""
    write_class_names(folder, DRAWN_CLASSES)
    rows = []
    for photograph in photographs:
        opened = photograph.file.open()
        factor = min(1.0, LONGEST_SIDE_PX / max(opened.image.shape[:2]))
        small = cv2.resize(opened.image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        file = folder / "images" / f"{opened.name}.jpg"
        cv2.imwrite(str(file), small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        labels = label_text(photograph.boxes, DRAWN_CLASSES)
        (folder / "labels" / f"{opened.name}.txt").write_text(labels)
        rows.append((file.name, photograph.scene, opened.condition))
    write_index(folder, rows)
    return photographs


def _evenly(photographs: Sequence[Some], count: int) -> list[Some]:
    if count >= len(photographs):
        return list(photographs)
    return [photographs[index * len(photographs) // count] for index in range(count)]


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m cloud.starting_detector.photograph_pack", description=__doc__
    )
    parser.add_argument("--photographs", type=Path, action="append", required=True, help="a data set")
    parser.add_argument("--out", type=Path, default=PACK, help="default: the pack that ships")
    given = parser.parse_args()
    return exit_code_of(lambda: make_pack(given.photographs, given.out))


if __name__ == "__main__":
    raise SystemExit(main())
