"""How near released prototypes are to the mean without noise, on drawn footage.

    python -m synth.experiments.prototype_cosine DETECTOR.onnx [--out FIGURES.json]

A detector and a tracker run on drawn cameras of world FOOTAGE, one camera per condition and frequent class,
until that class has `TRACKS` appearances, each counted once as a node does it; hazards of that world come and
go within seconds, so a place is held for `HELD_S`. The true mean is that of the embeddings of all of them.
Prototypes of appearances chosen at random are then released as a node does it, at the shipped privacy
settings and at those that were shipped before decision 0017, each time with a new account. Every cosine is to
the true mean.
"""

import argparse
import datetime
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.privacy.accountant import PrivacyAccountant
from edge.privacy.accounts import Account, account_file
from edge.privacy.appearances import Appearances, Contribution
from edge.privacy.release import release_prototype
from edge.settings import PrivacySettings
from edge.tracking.tracker import ByteTracker, TrackerSettings, TrackState
from edge.vision.detections import Floats
from edge.vision.onnx_detector import OnnxDetector
from edge.vision.prototypes import (
    PrototypeBook,
    PrototypeKey,
    cosine_distance,
    estimated_cosine,
    weighted_by_noise,
)
from messaging.figures import Figure, write_figures
from messaging.reports import ClassPrototype
from messaging.taxonomy import Condition
from synth.street import StreetCamera, WorldName

CAMERAS = (
    ("pothole", "day-clear"),
    ("fire", "day-rain"),
    ("garbage", "night-rain"),
    ("fallen_person", "dusk-fog"),
    ("smoke", "dusk-clear"),
)
TRACKS, MOST_FRAMES, HELD_S = 120, 4_000, 5.0
DRAWS, AVERAGED = 100, 3
DEFAULTS = PrivacySettings()
FORMER = PrivacySettings(minimum_tracks=20, epsilon_per_release=1.0, least_cosine=0.0)
TARGET = 0.8


@dataclass(frozen=True)
class Tracks:
    """The mean embeddings (n, d) of one class on one camera, one for each appearance."""

    key: PrototypeKey
    embeddings: Floats
    clip_norm: float

    def released(self, settings: PrivacySettings, folder: Path, rng: np.random.Generator) -> ClassPrototype:
        """One release from a new account, of as many tracks as it needs, chosen at random."""
        path = folder / f"{rng.integers(2**62)}.json"
        account_file(path).write(Account())
        accountant = PrivacyAccountant(path, settings, utc=time.time)
        book = PrototypeBook(self.clip_norm, self.embeddings.shape[1])
        chosen = rng.choice(len(self.embeddings), accountant.tracks_needed(book.width), replace=False)
        for track in chosen:
            book.add(self.key, self.embeddings[track])
        return release_prototype(book, self.key, accountant, camera="camera", at_utc=time.time())

    def cosine(self, vector: npt.NDArray[np.float64]) -> float:
        """Cosine of a vector (d,) to the mean of all tracks."""
        return float(1.0 - cosine_distance(np.asarray(vector), self.embeddings.mean(axis=0))[0, 0])


@dataclass(frozen=True)
class Cosines:
    """Cosines to the true mean of many releases of one camera."""

    each: list[float]
    estimated: list[float]
    averaged: float
    tracks_of_one: int

    @classmethod
    def of(cls, tracks: Tracks, settings: PrivacySettings, folder: Path) -> "Cosines":
        """`DRAWS` releases, and the first `AVERAGED` of them averaged by their noise."""
        rng = np.random.default_rng(0)
        reports = [tracks.released(settings, folder, rng) for _ in range(DRAWS)]
        vectors = np.asarray([np.asarray(r.vector) * r.scale for r in reports])
        sigmas = np.asarray([r.noise_sigma for r in reports])
        mean, _ = weighted_by_noise(vectors[:AVERAGED], sigmas[:AVERAGED])
        return cls(
            [tracks.cosine(vector) for vector in vectors],
            [
                estimated_cosine(np.asarray(v, np.float32), float(s))
                for v, s in zip(vectors, sigmas, strict=True)
            ],
            tracks.cosine(mean),
            reports[0].tracks,
        )


def tracks_of(detector: OnnxDetector, class_name: str, condition: Condition) -> Tracks:
    """Tracks of a class on a drawn camera without other hazards. Raises `ValueError` if they are few."""
    bundle = detector.description
    camera = StreetCamera(
        world=WorldName.FOOTAGE,
        seed=11,
        condition=condition,
        hazard_weights={class_name: 1.0},
        spawn_per_s=1.2,
    )
    key = PrototypeKey(class_name, condition, bundle.embedding_digest)
    tracker, appearances, found = ByteTracker(bundle, TrackerSettings()), Appearances(HELD_S, 1), []
    for frame in camera.frames(MOST_FRAMES):
        update = tracker.update(detector.detect([frame.image], floor=tracker.floor)[0], frame.time_s)
        found += [over.vector for over in appearances.advance(frame.time_s)]
        for track in update.active:
            appearances.at(track.xyxy, frame.time_s, track.id)
        for track in update.ended:
            known = track.state is not TrackState.TENTATIVE and bundle.class_names[track.class_id]
            if known == class_name and track.embedding is not None:
                where = appearances.at(track.history[-1].xyxy, track.last_seen_s, track.id)
                appearances.contribute(where, Contribution(key, track.embedding, track.strong_hits))
        if len(found) >= TRACKS:
            return Tracks(key, np.stack(found), bundle.clip_norm)
    raise ValueError(
        f"{class_name} {condition.key}: {len(found)} tracks in {MOST_FRAMES} frames; {TRACKS} wanted"
    )


def figures_of(now: Sequence[Cosines], former: Sequence[Cosines]) -> list[Figure]:
    """The figures, over all cameras."""
    at_defaults = [c for one in now for c in one.each]
    errors = [abs(e - c) for one in now for e, c in zip(one.estimated, one.each, strict=True)]
    before = [c for one in former for c in one.each]
    worst = min(statistics.mean(one.each) for one in now)
    least = f">= {TARGET}"
    return [
        Figure(
            "prototype_cosine_at_defaults", statistics.mean(at_defaults), "cosine", least, len(at_defaults)
        ),
        Figure("prototype_cosine_of_worst_camera", worst, "cosine", least, DRAWS),
        _without_target(
            "prototype_cosine_5th_percentile", float(np.quantile(at_defaults, 0.05)), at_defaults
        ),
        _without_target("prototype_cosine_at_former_defaults", statistics.mean(before), before),
        _without_target("estimated_cosine_error", statistics.mean(errors), errors),
        _without_target(
            "three_averaged_cosine_at_defaults", statistics.mean(one.averaged for one in now), now
        ),
        _without_target(
            "three_averaged_cosine_at_former_defaults",
            statistics.mean(one.averaged for one in former),
            former,
        ),
        Figure("tracks_of_a_release", max(one.tracks_of_one for one in now), "tracks"),
    ]


def _without_target(name: str, value: float, of: Sequence[object]) -> Figure:
    return Figure(name, value, "cosine", n=len(of))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("detector", type=Path, help="bundle of the starting detector")
    parser.add_argument("--out", type=Path, default=Path("out/figures/prototype_cosine.json"))
    given = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    detector, now, former = OnnxDetector(given.detector), [], []
    with tempfile.TemporaryDirectory() as folder:
        for class_name, key in CAMERAS:
            tracks = tracks_of(detector, class_name, Condition.parse(key))
            now.append(Cosines.of(tracks, DEFAULTS, Path(folder)))
            former.append(Cosines.of(tracks, FORMER, Path(folder)))
            sys.stdout.write(
                f"{class_name} {key}: cosine {statistics.mean(now[-1].each):.2f}, at the former settings "
                f"{statistics.mean(former[-1].each):.2f}\n"
            )
            sys.stdout.flush()
    figures = figures_of(now, former)
    sys.stdout.write("".join(f"{f.name} {f.value_text}\n" for f in figures))
    write_figures(
        given.out, figures, command="make prototype-cosine", now=datetime.datetime.now(datetime.UTC)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
