"""Does a prototype steer the bundled Stable Diffusion? Tags, layout and seed are fixed, prototypes vary.

    python -m synth.experiments.prototypes DETECTOR.onnx [--count 6] [--best-of 4] [--out FIGURES.json]

Drawn hazards of one class under one condition (world HOLDOUT) are split into two clusters by their
embeddings, and each cluster gives a prototype: the mean of at least 20 hazards, without the noise that an
edge node adds. The same order is carried out with each prototype. Two questions, by cosine to the mean
embeddings of the sets, each with chance level one half: is a prototype nearest to its own set (what all
generated images have in common cancels), and is a set nearest to its own prototype (it does not cancel)?
"""

import argparse
import datetime
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.detections import Floats
from edge.vision.detector import Detector
from edge.vision.image_files import read_image
from edge.vision.onnx_detector import OnnxDetector
from edge.vision.prototypes import unit_length
from messaging.figures import Figure, write_figures
from messaging.intervals import wilson
from messaging.taxonomy import Condition, Light, RegionBin, SizeBin, Weather
from synth.generation.stable_diffusion import DiffusionGenerator
from synth.order import PrototypeToMatch, SynthesisOrder, WeightedGeometry
from synth.planning.backgrounds import DrawnBackgrounds
from synth.run import Judges, run_order
from synth.selection.labelled_set import LabelledSet
from synth.street import WorldName, draw_still

CLASSES = ("fire", "pothole", "garbage", "fallen_person")
SCENES = (Condition(Light.DAY, Weather.CLEAR), Condition(Light.NIGHT, Weather.RAIN))
FEWEST, HAZARDS = 20, 90
TARGET = 0.8


def embeddings(detector: Detector, class_name: str, scene: Condition) -> Floats:
    """Unit embeddings (`HAZARDS`, d) of drawn hazards of a class under a condition."""
    rows: list[Floats] = []
    seed = 700_000
    while sum(map(len, rows)) < HAZARDS:
        frame = draw_still(
            world=WorldName.HOLDOUT, seed=seed, condition=scene, classes=(class_name,), hazards=3
        )
        if frame.boxes:
            rows.append(
                detector.embed(frame.image, np.asarray([box.xyxy for box in frame.boxes], np.float32))
            )
        seed += 1
    return unit_length(np.concatenate(rows)[:HAZARDS])


def two_clusters(vectors: Floats) -> Floats:
    """Prototypes (2, d) of the two clusters of vectors (n, d)."""
    cv2.setRNGSeed(0)
    enough = (cv2.TERM_CRITERIA_MAX_ITER, 100, 0.0)
    _, cluster, _ = cv2.kmeans(vectors, 2, None, enough, 10, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]  # no start labels
    counts = np.bincount(cluster[:, 0], minlength=2)
    if counts.min() < FEWEST:
        raise ValueError(f"the clusters have {counts.tolist()} hazards; a prototype needs {FEWEST}")
    return np.stack([vectors[cluster[:, 0] == k].mean(axis=0, dtype=np.float32) for k in range(2)])


def generated(
    generator: DiffusionGenerator, detector: Detector, class_name: str, scene: Condition,
    prototype: Floats, *, count: int, best_of: int,
) -> Floats:  # fmt: skip
    """Mean embedding (d,) of the hazards that an order with this prototype kept."""
    order = SynthesisOrder(
        order="prototype",
        class_name=class_name,
        light=scene.light,
        weather=scene.weather,
        geometry=(WeightedGeometry(size=SizeBin.MEDIUM, region=RegionBin.UNKNOWN, weight=1.0),),
        count=count,
        seed=11,
        patch_budget=100 * count,
        best_of=best_of,
        image_width=640,
        image_height=360,
        prototype=PrototypeToMatch(
            vector=tuple(map(float, prototype)), embedding_digest=detector.description.embedding_digest
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        kept = run_order(
            order,
            out=Path(folder) / "set",
            generator=generator,
            backgrounds=DrawnBackgrounds(),
            judges=Judges(detector=detector),
        )
        mean: Floats = np.concatenate(list(_of_set(kept, detector))).mean(axis=0)
        return mean


def _of_set(kept: LabelledSet, detector: Detector) -> Iterator[Floats]:
    for row, path in zip(kept.provenance(), kept.images, strict=True):
        boxes = np.asarray([hazard.tight for hazard in row.hazards], np.float32)
        yield unit_length(detector.embed(read_image(path), boxes))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("detector", type=Path, help="bundle of the starting detector")
    parser.add_argument("--count", type=int, default=6, help="images per set")
    parser.add_argument("--best-of", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("out/figures/prototypes.json"))
    given = parser.parse_args(arguments)
    detector, generator = OnnxDetector(given.detector), DiffusionGenerator.from_folder()
    cosines: list[Floats] = []
    for class_name in CLASSES:
        for scene in SCENES:
            prototypes = two_clusters(embeddings(detector, class_name, scene))
            means = [
                generated(
                    generator, detector, class_name, scene, prototype,
                    count=given.count, best_of=given.best_of,
                )
                for prototype in prototypes
            ]  # fmt: skip
            cosines.append(unit_length(np.stack(means)) @ unit_length(prototypes).T)
            table = cosines[-1].round(3).tolist()
            sys.stdout.write(f"{class_name} {scene.key}, sets by prototypes: {table}\n")
    figures = [
        _figure("prototype_finds_its_set_top1", [table.argmax(axis=0) for table in cosines]),
        _figure("set_finds_its_prototype_top1", [table.argmax(axis=1) for table in cosines]),
    ]
    sys.stdout.write("".join(f"{f.name} {f.value:.2f} of {f.n}\n" for f in figures))
    write_figures(given.out, figures, command="make prototypes", now=datetime.datetime.now(datetime.UTC))
    return 0


def _figure(name: str, nearest: Sequence[npt.NDArray[np.intp]]) -> Figure:
    """The fraction of rows whose nearest is their own index, 0 then 1."""
    right, trials = sum(int((row == (0, 1)).sum()) for row in nearest), 2 * len(nearest)
    return Figure(name, right / trials, "fraction", f">= {TARGET}", trials, wilson(right, trials))


if __name__ == "__main__":
    sys.exit(main())
