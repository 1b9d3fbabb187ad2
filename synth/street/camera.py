"""A fixed camera over a drawn street: traffic moves, hazards appear, live for some seconds and vanish.

Everything is a pure function of world, seed, condition and time, so any stretch of frames can be drawn
without those before it. Static layers are drawn once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from messaging.errors import ConfigurationError
from messaging.taxonomy import Condition
from synth.street.composer import Street
from synth.street.hazards import Hazard
from synth.street.stills import find_place, finish_frame
from synth.street.values import DRAWN_CLASSES, DrawnFrame, check_classes
from synth.street.worlds import WORLDS, WorldName

SHORTEST_LIFE_S = 4.0
LONGEST_LIFE_S = 10.0
_MOST_AT_ONCE = 8
_REST_S = 0.6


@dataclass(frozen=True)
class HazardMix:
    """How many hazards appear per second, and the weight of each class (need not sum to 1)."""

    spawn_per_s: float
    weights: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        total = sum(w for _, w in self.weights)
        if self.spawn_per_s < 0 or total <= 0 or any(w < 0 for _, w in self.weights):
            raise ConfigurationError(
                f"hazard weights must be >= 0 with a positive sum and spawn_per_s >= 0; got {self}"
            )

    def choose(self, rng: np.random.Generator) -> str:
        """A class by the weights."""
        weights = np.asarray([w for _, w in self.weights])
        return self.weights[int(rng.choice(len(weights), p=weights / weights.sum()))][0]


class StreetCamera:
    """A camera that yields `DrawnFrame`s with tracks; hazards come at `spawn_per_s`, at most 8 at once."""

    def __init__(
        self,
        *,
        world: WorldName,
        seed: int,
        condition: Condition,
        size: tuple[int, int] = (640, 360),
        fps: float = 5.0,
        classes: tuple[str, ...] = DRAWN_CLASSES,
        hazard_weights: Mapping[str, float] | None = None,
        spawn_per_s: float = 0.4,
    ) -> None:
        check_classes(tuple(classes))
        weights = dict.fromkeys(classes, 1.0) if hazard_weights is None else dict(hazard_weights)
        strangers = sorted(set(weights) - set(classes))
        if strangers or fps <= 0:
            raise ConfigurationError(
                f"fps must be positive and hazard weights name only the camera's classes; got fps {fps} "
                f"and weights for {strangers} beside {tuple(classes)}"
            )
        self.condition, self.size, self.fps, self.classes = condition, size, fps, tuple(classes)
        self._mix = HazardMix(spawn_per_s, tuple(weights.items()))
        self._seed = seed
        self._street = Street(WORLDS[world], seed, condition, size)
        self._schedule_rng = self._street.world.layout_rng(seed, 4)
        self._schedule: list[Hazard] = []
        self._scheduled_to_s = 0.0

    def frames(self, count: int, start: int = 0) -> Iterator[DrawnFrame]:
        """Frames `start` to `start + count`, at `fps`; the same index is always the same frame."""
        for index in range(start, start + count):
            time_s = index / self.fps
            canvas, boxes = self._street.compose(time_s, self._alive(time_s))
            rng = self._street.world.layout_rng(self._seed, 5, index)
            yield finish_frame(
                self._street, canvas, boxes=boxes, rng=rng, index=index, time_s=time_s, sensor=True
            )

    def _alive(self, time_s: float) -> tuple[Hazard, ...]:
        while self._scheduled_to_s <= time_s:
            self._schedule_next()
        return tuple(h for h in self._schedule if h.alive(time_s))

    def _schedule_next(self) -> None:
        """One more hazard, drawn in order of time, whichever frames are read."""
        rng = self._schedule_rng
        if self._mix.spawn_per_s == 0:
            self._scheduled_to_s = float("inf")
            return
        self._scheduled_to_s += float(rng.exponential(1.0 / self._mix.spawn_per_s))
        born, name = self._scheduled_to_s, self._mix.choose(rng)
        longest = float(np.clip(_MOST_AT_ONCE / self._mix.spawn_per_s, SHORTEST_LIFE_S + 1.0, LONGEST_LIFE_S))
        life = float(rng.uniform(SHORTEST_LIFE_S, longest))
        near = [h for h in self._schedule[-4 * _MOST_AT_ONCE :] if h.alive(born - _REST_S) or h.alive(born)]
        if len(near) >= _MOST_AT_ONCE:
            return
        found = find_place(
            self._street, name, track=len(self._schedule) + 1, placed=near, rng=rng, when=(born, life)
        )
        if found is not None:
            self._schedule.append(found)
