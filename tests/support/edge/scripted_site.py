"""A whole site whose models behave by script, on simulated footage and time: for the guard in service."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.updates.model_updates import ModelUpdates, TrialPolicy
from edge.updates.service_guard import GuardPolicy
from edge.updates.weights_store import WeightsStore
from edge.vision.detections import Detections
from messaging.taxonomy import Condition
from messaging.trust.manifest import ReleaseManifest
from tests.support.fake_detector import FakeDetector, describe, load_fake
from tests.support.release_fleet import NOW, Fleet

IMAGE = np.zeros((100, 100, 3), np.uint8)
POLICY = GuardPolicy()
QUARTER_S = 900


@dataclass(frozen=True)
class Behaviour:
    """What a model does: recall of passing objects, boxes that nothing explains, a box that always stays."""

    recall: float = 0.8
    alarms: int = 0
    flag: bool = False
    frame_ms: float = 20.0


@dataclass
class Street:
    """An object every seven seconds, for six; a model detects all of it or nothing.

    Seven of ten objects are as hard for every model, as they are for a model and one trained from it. `seed`
    decides which.
    """

    objects: bool = True
    seed: str = ""
    time_s: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    def seen_by(self, name: str, behaviour: Behaviour) -> Detections:
        """What a model of that name detects now."""
        boxes = [[70, 70, 90, 90]] if behaviour.flag else []
        number, second = divmod(self.time_s, 7)
        shared = random.Random(f"{self.seed}{number}")
        coin = shared if shared.random() < 0.7 else random.Random(f"{self.seed}{name} {number}")
        detected = coin.random() < behaviour.recall
        if self.objects and second < 6 and detected:
            place = 10 * (number % 5)
            boxes.append([place, place, place + 12, place + 12])
        for _ in range(behaviour.alarms):
            x, y = self.chance.randrange(85), self.chance.randrange(85)
            boxes.append([x, y, x + 9, y + 9])
        if not boxes:
            return Detections.empty()
        return Detections.of(boxes, [0.9] * len(boxes), [0] * len(boxes))


class ScriptedSite:
    """A site whose model "old" is in service; every second is a frame and, every tenth, a tick."""

    def __init__(self, folder: Path, street: Street, *, taught: bool, trial_s: float = 60.0) -> None:
        self.fleet, self.street, self.taught = Fleet(folder), street, taught
        self.behaviours: dict[str, Behaviour] = {}
        self.releases: dict[str, ReleaseManifest] = {}
        self.trial_s, self.time_s = trial_s, 0
        self.restart()
        self.order("old", Behaviour())

    def restart(self) -> None:
        """The node starts again with what is on its disk."""
        self.store = WeightsStore(self.fleet.place(), now_utc=NOW + self.time_s)
        policy = SwapPolicy(latency_factor=100.0, repeats=1, golden_every_s=1e9)
        self.service = SwappableDetector(self._load, policy, clock=lambda: self.time_s)
        self.updates = ModelUpdates(
            self.store,
            self.service,
            policy=TrialPolicy(self.trial_s, frames=3),
            guard=POLICY,
            teacher=lambda: describe("teacher") if self.taught else None,
        )
        self.updates.start(NOW + self.time_s)

    def _load(self, data: bytes) -> FakeDetector:
        fake, street, behaviours = load_fake(data), self.street, self.behaviours

        class OnTheStreet(FakeDetector):
            def detect(self, images: object, *, floor: float | None = None) -> list[Detections]:
                return [street.seen_by(fake.description.name, behaviours[fake.description.name])]

        return OnTheStreet(fake.description, fake.digest)

    def order(self, name: str, behaviour: Behaviour, *, downgrade: bool = False) -> None:
        """Order a model into service, and let 70 seconds of footage pass."""
        self.behaviours[name] = behaviour
        if name not in self.releases:
            self.releases[name] = self.fleet.release(name)
        self.fleet.order(self.releases[name].digest, downgrade=downgrade)
        self.run(70)

    @property
    def name(self) -> str:
        """The name of the model in service."""
        return self.service.description.name

    def run(self, seconds: int, *, until: str = "") -> int:
        """Footage; returns the seconds until a model of that name is in service."""
        for second in range(seconds):
            if second % 10 == 0:
                self.updates.tick(NOW + self.time_s)
            if second and self.service.ready and self.name == until:
                return second
            self._frame()
        self.updates.tick(NOW + self.time_s)
        return seconds

    def _frame(self) -> None:
        self.time_s += 1
        self.street.time_s = self.time_s
        model, found = self.service.detect_frame(IMAGE)
        if (shadow := self.updates.shadow) is not None:
            shadow.process(
                "gate",
                IMAGE,
                found,
                condition=Condition(),
                time_s=self.time_s,
                incumbent_ms=self.behaviours[model.description.name].frame_ms,
                teacher=self.street.seen_by("teacher", Behaviour(recall=1.0)) if self.taught else None,
            )
