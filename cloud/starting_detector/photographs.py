"""The photographs of hazards that the shipped detectors learn from and are measured on.

Reads data sets of one layout (images/, labels/, data.yaml, index.csv with the columns split, source, scene,
condition and range) in place. Every source is listed here with its licence and how sure that licence is. Of
the split `train`, some scenes are kept for choosing thresholds; the split `val` is for evaluation only.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cloud.data.boxes import NormalisedBox
from cloud.data.index_file import parse_condition
from cloud.data.labelled_images import LabelledFile
from cloud.data.photograph_index import read_labels, read_photograph_index
from cloud.errors import DataRefused
from messaging.taxonomy import Condition
from synth.street import DRAWN_CLASSES

TRAIN, VAL = "train", "val"
_GROUPS = 7  # of seven scenes of a source with many, one is kept for choosing thresholds


class LicenceTrust(StrEnum):
    """How sure the licence of a source is."""

    STATED = "A: the author's or publisher's own statement was read"
    SECOND_HAND = "B: the author's statement was read where others quote it"
    DECLARED = "C: declared by whoever uploaded the pictures"


@dataclass(frozen=True)
class Source:
    """A source of photographs. `calibration_scenes`: kept for thresholds; None keeps one scene in seven."""

    licence: str
    trust: LicenceTrust
    calibration_scenes: frozenset[str] | None = frozenset()

    @property
    def certain(self) -> bool:
        """Whether more than an uploader vouches for the licence."""
        return self.trust is not LicenceTrust.DECLARED


SOURCES = {
    "amsterdam": Source("MIT, Maarten Sukel", LicenceTrust.STATED, None),
    "rise": Source("CC0 1.0, CMU CREATE Lab", LicenceTrust.STATED, frozenset({"rise_site0_s0"})),
    "gmdcsa24": Source("MIT, Ekram Alam", LicenceTrust.STATED),
    "polyhaven": Source("CC0 1.0, Poly Haven", LicenceTrust.STATED),
    "dnit": Source("MIT, biankatpas on GitHub", LicenceTrust.STATED, frozenset({"dnit_DF_060"})),
    "intel": Source("CC BY 4.0, Intel", LicenceTrust.STATED),
    "fpds": Source(
        "CC BY 4.0, S. Maldonado-Bascon et al., University of Alcala",
        LicenceTrust.SECOND_HAND,
        frozenset({"fpds_kitchen", "fpds_roomD"}),
    ),
    "singles": Source("public domain, CC0, CC BY 2.0 and 3.0, one by one", LicenceTrust.SECOND_HAND),
    "furg": Source("CC0 1.0 for the repository", LicenceTrust.DECLARED, frozenset({"furg_house6"})),
    "dfire": Source("CC0 1.0 for the collection", LicenceTrust.DECLARED, frozenset({"dfire_g3"})),
    "cctvfire": Source("CC BY 4.0 by its uploader", LicenceTrust.DECLARED, frozenset({"cctv_home_cam2"})),
    "potseg": Source("CC BY 4.0 by its uploader", LicenceTrust.DECLARED, None),
    "trash": Source("CC BY 4.0 by its uploader", LicenceTrust.DECLARED, frozenset({"trash_20231203"})),
}
_LABELLED_AGAIN = {"furg"}  # in both sets; the one labelled by hand has the smoke too


@dataclass(frozen=True)
class HazardPhotograph:
    """A photograph with its boxes by class name. `range` is near, mid, far or none, by its largest box."""

    path: Path
    boxes: tuple[NormalisedBox, ...]
    source: str
    scene: str
    condition: str
    range: str

    @property
    def file(self) -> LabelledFile:
        """The labelled file; a condition outside the vocabulary is unknown."""
        condition = parse_condition(self.condition) or Condition()
        return LabelledFile(self.path, self.boxes, condition, self.scene)

    @property
    def for_thresholds(self) -> bool:
        """Whether its scene is kept for choosing thresholds."""
        scenes = SOURCES[self.source].calibration_scenes
        if scenes is None:
            return int(hashlib.sha256(self.scene.encode()).hexdigest(), 16) % _GROUPS == 0
        return self.scene in scenes


def read_photographs(
    sets: Sequence[Path], split: str, *, only_certain: bool = False
) -> tuple[HazardPhotograph, ...]:
    """The photographs of one split of these data sets, in order, without those of a class of no detector.

    Raises `DataRefused` for another layout and for a source without a licence in `SOURCES`.
    """
    found: list[HazardPhotograph] = []
    for data in sets:
        classes, rows = read_photograph_index(data, split)
        for row in rows:
            values = row.values
            source = SOURCES.get(values["source"])
            if source is None:
                raise DataRefused(
                    f"{data / 'index.csv'} names the source {values['source']!r}, whose licence is not known "
                    f"here; add it to SOURCES in {__name__}"
                )
            if source.certain or not only_certain:
                boxes = read_labels(row.labels, classes)
                found.append(
                    HazardPhotograph(
                        row.image,
                        boxes,
                        values["source"],
                        values["scene"],
                        values["condition"],
                        values["range"],
                    )
                )
    return tuple(p for p in _labelled_best(found) if all(b.class_name in DRAWN_CLASSES for b in p.boxes))


def _labelled_best(photographs: Iterable[HazardPhotograph]) -> Iterable[HazardPhotograph]:
    """Of sources that are in two sets, those of the last set."""
    photographs = tuple(photographs)
    last = {p.source: p.path.parents[2] for p in photographs if p.source in _LABELLED_AGAIN}
    return (p for p in photographs if p.path.parents[2] == last.get(p.source, p.path.parents[2]))
