"""A simulated camera with known truth, of which a sampler shows some frames to a teacher.

Objects come and go at places of their own. The detector detects or misses an object for a while, as detectors
do, in a fraction of its frames that differs from object to object; a frame on which it misses one looks
doubtful more often.
"""

import random
from dataclasses import dataclass

import numpy as np

from edge.evidence.recall_counter import RecallCounter, recall_tallies
from edge.evidence.sampling import FrameSampler, Sampled, Scheme
from edge.tracking.tracker import SPARSE_FRAMES, ByteTracker
from edge.vision.detections import Detections
from messaging.reports import RecallTally
from messaging.taxonomy import Condition
from tests.support.fake_detector import describe

FPS, PLACES, DWELL_S = 10.0, 4, 0.4
VISIBLE_S = 0.9


@dataclass(frozen=True)
class Frame:
    """What is at each place, and what the detector detects of it."""

    time_s: float
    present: tuple[int, ...]
    detected: tuple[int, ...]
    doubt: int


def street(seed: int, seconds: float, *, median_s: float) -> tuple[list[Frame], float]:
    """The frames of a camera, and the true recall: objects detected in at least half of their frames.

    Objects that are visible too shortly for any teacher are no part of the truth.
    """
    chance = random.Random(seed)
    ends, fraction = [0.0] * PLACES, [0.0] * PLACES
    new, state = [True] * PLACES, [False] * PLACES
    starts = [chance.expovariate(1 / 8.0) for _ in range(PLACES)]
    counts, frames, objects = [[0, 0] for _ in range(PLACES)], list[Frame](), list[tuple[int, int]]()
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
        frames.append(Frame(now, tuple(present), tuple(detected), min(int(signs), 3)))
    seen = [(frames_, hits) for frames_, hits in objects if frames_ >= VISIBLE_S * FPS]
    return frames, sum(2 * hits >= frames_ for frames_, hits in seen) / len(seen)


def estimate(
    frames: list[Frame], seed: int, step_s: float, *, prefer: bool = True, weigh: bool = True
) -> RecallTally:
    """The tally of a teacher without errors that processes a frame in `step_s` seconds on average."""
    sampler: FrameSampler[Frame] = FrameSampler(random.Random(seed))
    tracker = ByteTracker(describe(), SPARSE_FRAMES)
    tracker.keep_lost(Scheme.of(step_s).longest_gap_s)
    counter = RecallCounter(inclusion=lambda first, last: sampler.inclusion(first, last, 3))

    def process(sampled: list[Sampled[Frame]]) -> None:
        for one in sampled:
            update = tracker.update(_boxes(one.item.present), one.item.time_s)
            counter.update(update, [_boxes(one.item.detected)], Condition(), one.weight if weigh else 1.0)

    for frame in frames:
        doubt = frame.doubt if prefer else 0
        process(sampler.offer(frame, frame.time_s, doubt=doubt, step_s=step_s))
    process(sampler.end())
    tallies = recall_tallies(
        counter.take(), describe().class_names, camera="c", model_digest="a" * 64, minute_utc=0
    )
    (tally,) = tallies
    return tally


def _boxes(places: tuple[int, ...]) -> Detections:
    if not places:
        return Detections.empty(4)
    xyxy = [[100.0 * place, 0.0, 100.0 * place + 60, 60.0] for place in places]
    return Detections.of(xyxy, [0.9] * len(places), [0] * len(places), embedding=np.zeros((len(places), 4)))
