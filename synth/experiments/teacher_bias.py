"""Whether recall estimated by a teacher that processes few frames is that of all frames.

    python -m synth.experiments.teacher_bias [--out FIGURES.json]

A simulated camera with known truth: objects come and go at places of their own. The detector detects or
misses an object for a while, as detectors do, in a fraction of its frames that differs from object to object;
on a frame on which it misses one it is uncertain more often. Sampler, tracker and counts are those of a site;
the teacher itself makes no errors, so that what is measured is the sampling. A bias is estimated recall minus
the truth, averaged over camera hours, with Student's interval over them.
"""

import argparse
import datetime
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from edge.evidence.recall_counter import RecallCounter, recall_tallies
from edge.evidence.sampling import FrameSampler, Sampled, Scheme
from edge.tracking.tracker import SPARSE_FRAMES, ByteTracker
from edge.vision.detections import Detections
from messaging.figures import Figure, write_figures
from messaging.releases import BundleDescription
from messaging.reports import RecallTally
from messaging.taxonomy import Condition, taxonomy_of

HOURS, WHOLE_HOURS, MEDIAN_S = 24, 2, 12.0
T_95 = 2.069  # Student's t for 24 hours
STEP_S, SEGMENTS_STEP_S = 0.3, 0.8
TARGET_POINTS = 1
FPS, PLACES, DWELL_S, VISIBLE_S = 10.0, 4, 0.4, 0.9
WIDTH = 4
CLASSES = ("pothole",)
DETECTOR = BundleDescription(
    name="simulated",
    class_names=CLASSES,
    taxonomy_digest=taxonomy_of(CLASSES).digest,
    input_width=64,
    input_height=64,
    thresholds=dict.fromkeys(CLASSES, 0.5),
    feature_stride=16,
    embedding_width=WIDTH,
    embedding_digest="e" * 64,
    clip_norm=1.0,
    licence="none",
)


@dataclass(frozen=True)
class SimulatedFrame:
    """The places that have an object, those where the detector detects it, and signs that it may err."""

    time_s: float
    present: tuple[int, ...]
    detected: tuple[int, ...]
    uncertainty: int


def simulated_camera(
    seed: int, seconds: float, *, median_s: float = MEDIAN_S
) -> tuple[list[SimulatedFrame], float]:
    """The frames of a camera, and the true recall: objects detected in at least half of their frames.

    Objects are visible for a median of `median_s` seconds; those that are visible too shortly for any teacher
    are no part of the truth.
    """
    chance = random.Random(seed)
    ends, fraction = [0.0] * PLACES, [0.0] * PLACES
    new, state = [True] * PLACES, [False] * PLACES
    starts = [chance.expovariate(1 / 8.0) for _ in range(PLACES)]
    counts, frames = [[0, 0] for _ in range(PLACES)], list[SimulatedFrame]()
    objects = list[tuple[int, int]]()
    for number in range(int(seconds * FPS)):
        now, present, detected, signs = number / FPS, [], [], 0.0
        for place in range(PLACES):
            if ends[place] and now >= ends[place]:
                objects.append((counts[place][0], counts[place][1]))
                counts[place], ends[place] = [0, 0], 0.0
                starts[place] = now + 12.0 + chance.expovariate(1 / 8.0)
            if not ends[place] and now >= starts[place]:
                fraction[place], new[place] = chance.uniform(0.1, 0.9), True
                ends[place] = now + max(0.5, chance.lognormvariate(np.log(median_s), 0.9))
            if ends[place]:
                if new[place] or chance.random() < 1 / (DWELL_S * FPS):
                    state[place] = chance.random() < fraction[place]
                new[place], hit = False, state[place]
                present.append(place)
                counts[place][0] += 1
                counts[place][1] += hit
                if hit:
                    detected.append(place)
                elif chance.random() < 0.5:
                    signs += 1
        frames.append(SimulatedFrame(now, tuple(present), tuple(detected), min(int(signs), 3)))
    seen = [(frames_, hits) for frames_, hits in objects if frames_ >= VISIBLE_S * FPS]
    return frames, sum(2 * hits >= frames_ for frames_, hits in seen) / len(seen)


@dataclass(frozen=True)
class Estimates:
    """Recall of one camera as a teacher estimates it, also without the weights, and the tracks it counted."""

    weighted: float
    unweighted: float
    tracks: int

    @classmethod
    def of(cls, frames: Sequence[SimulatedFrame], seed: int, step_s: float) -> "Estimates":
        """By a teacher without errors that processes a frame in `step_s` seconds on average; 0: all."""
        sampler: FrameSampler[SimulatedFrame] = FrameSampler(random.Random(seed))
        tracker = ByteTracker(DETECTOR, SPARSE_FRAMES)
        tracker.keep_lost(Scheme.of(step_s).longest_gap_s)
        counter = RecallCounter(inclusion=lambda first, last: sampler.inclusion(first, last, 3))
        plain = RecallCounter()

        def process(sampled: Sequence[Sampled[SimulatedFrame]]) -> None:
            for one in sampled:
                update = tracker.update(_boxes(one.item.present), one.item.time_s)
                detected = [_boxes(one.item.detected)]
                counter.update(update, detected, Condition(), one.weight)
                plain.update(update, detected, Condition())

        for frame in frames:
            process(sampler.offer(frame, frame.time_s, uncertainty=frame.uncertainty, step_s=step_s))
        process(sampler.end())
        tally, unweighted = _tally(counter), _tally(plain)
        return cls(
            (tally.detected_weight or 0.0) / (tally.supported_weight or 1.0),
            unweighted.detected / unweighted.supported,
            tally.supported,
        )


def _tally(counter: RecallCounter) -> RecallTally:
    (tally,) = recall_tallies(
        counter.take(), CLASSES, camera="simulated", model_digest="a" * 64, minute_utc=0
    )
    return tally


def _boxes(places: tuple[int, ...]) -> Detections:
    if not places:
        return Detections.empty(WIDTH)
    xyxy = [[100.0 * place, 0.0, 100.0 * place + 60, 60.0] for place in places]
    embedding = np.zeros((len(places), WIDTH))
    return Detections.of(xyxy, [0.9] * len(places), [0] * len(places), embedding=embedding)


@dataclass(frozen=True)
class Hour:
    """Biases of one camera hour in points, and the tracks that the teacher counted by its budget."""

    weighted: float
    unweighted: float
    segments: float
    tracks: int
    all_frames: float | None

    @classmethod
    def of(cls, seed: int, *, seconds: float = 3600.0, whole: bool = False) -> "Hour":
        """Simulate one camera and let the teacher sample it; `whole`: let it process every frame too."""
        frames, truth = simulated_camera(seed, seconds)

        def bias(recall: float) -> float:
            return 100 * (recall - truth)

        sampled = Estimates.of(frames, seed + 100, STEP_S)
        return cls(
            bias(sampled.weighted),
            bias(sampled.unweighted),
            bias(Estimates.of(frames, seed + 100, SEGMENTS_STEP_S).weighted),
            sampled.tracks,
            bias(Estimates.of(frames, seed, 0.0).weighted) if whole else None,
        )


def figures_of(hours: Sequence[Hour]) -> list[Figure]:
    """The figures; the target is for the absolute value, at the budget of a frame in 0.3 s."""
    weighted = [hour.weighted for hour in hours]
    low, high = _interval(weighted)
    least = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    return [
        Figure(
            "witness_bias_points",
            abs(mean(weighted)),
            "points",
            f"<= {TARGET_POINTS}",
            sum(hour.tracks for hour in hours),
            (least, max(abs(low), abs(high))),
        ),
        _signed("with_weights_points", weighted),
        _signed("without_weights_points", [hour.unweighted for hour in hours]),
        _signed("changed_by_weights_points", [hour.weighted - hour.unweighted for hour in hours]),
        _signed("in_segments_points", [hour.segments for hour in hours]),
        _of_all_frames([hour.all_frames for hour in hours if hour.all_frames is not None]),
    ]


def _of_all_frames(values: Sequence[float]) -> Figure:
    return Figure("all_frames_points", mean(values) if values else None, "points", n=len(values))


def _signed(name: str, values: Sequence[float]) -> Figure:
    return Figure(name, mean(values), "points", n=len(values), interval=_interval(values))


def _interval(values: Sequence[float]) -> tuple[float, float]:
    half = T_95 * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/figures/witness.json"))
    given = parser.parse_args(arguments)
    figures = figures_of([Hour.of(seed, whole=seed < WHOLE_HOURS) for seed in range(HOURS)])
    for figure in figures:
        between = "" if figure.interval is None else "  ({:+.2f} to {:+.2f})".format(*figure.interval)
        sys.stdout.write(f"{figure.name:28} {figure.value_text:>14}{between}\n")
    write_figures(given.out, figures, command="make teacher-bias", now=datetime.datetime.now(datetime.UTC))
    return 0


if __name__ == "__main__":
    sys.exit(main())
