"""A model that turns out worse in service goes back within a quarter of an hour; an honest one never does."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.updates.model_updates import ModelUpdates, TrialPolicy
from edge.updates.service_guard import GuardPolicy, worse_in_service
from edge.updates.shadow import PairedCounts
from edge.updates.weights_store import WeightsStore
from edge.vision.detections import Detections
from messaging.reports import SwapOutcome, SwapReason
from messaging.taxonomy import Condition
from messaging.trust.manifest import ReleaseManifest
from tests.support.edge.weights_site import drain
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

    Seven of ten objects are as hard for every model, as they are for a model and one trained from it.
    """

    objects: bool = True
    time_s: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    def seen_by(self, name: str, behaviour: Behaviour) -> Detections:
        boxes = [[70, 70, 90, 90]] if behaviour.flag else []
        number, second = divmod(self.time_s, 7)
        shared = random.Random(f"{number}")
        coin = shared if shared.random() < 0.7 else random.Random(f"{name} {number}")
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


class Site:
    """A site whose model "old" is in service; every second is a frame and, every tenth, a tick."""

    def __init__(self, folder: Path, street: Street, *, taught: bool, trial_s: float = 60.0) -> None:
        self.fleet, self.street, self.taught = Fleet(folder), street, taught
        self.behaviours: dict[str, Behaviour] = {}
        self.releases: dict[str, ReleaseManifest] = {}
        self.trial_s, self.time_s = trial_s, 0
        self.restart()
        self.order("old", Behaviour())

    def restart(self) -> None:
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
        self.behaviours[name] = behaviour
        if name not in self.releases:
            self.releases[name] = self.fleet.release(name)
        self.fleet.order(self.releases[name].digest, downgrade=downgrade)
        self.run(70)

    @property
    def name(self) -> str:
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


@pytest.mark.parametrize(
    ("bad", "taught"),
    [
        pytest.param(Behaviour(recall=0.6), True, id="recall 20 points lower"),
        pytest.param(Behaviour(alarms=5), True, id="alarm storm"),
        pytest.param(Behaviour(alarms=5), False, id="alarm storm, no teacher"),
        pytest.param(Behaviour(recall=0.0), True, id="no output"),
        pytest.param(Behaviour(recall=0.0), False, id="no output, no teacher"),
        pytest.param(Behaviour(frame_ms=200.0), False, id="ten times slower"),
    ],
)
def test_a_worse_model_is_put_back_within_a_quarter_of_an_hour_of_footage(
    tmp_path: Path, bad: Behaviour, taught: bool
) -> None:
    site = Site(tmp_path, Street(), taught=taught)
    drain(site.store)
    site.order("new", bad)
    assert site.run(QUARTER_S - 70, until="old") < QUARTER_S - 70
    receipt = drain(site.store)[-1]
    assert (receipt.outcome, receipt.reason) == (SwapOutcome.ROLLED_BACK, SwapReason.WORSE_IN_SERVICE)
    assert receipt.digest == site.releases["new"].digest
    site.restart()
    assert site.name == "old"


@pytest.mark.parametrize("taught", [True, False])
@pytest.mark.parametrize(
    ("before", "honest", "objects"),
    [
        pytest.param(Behaviour(), Behaviour(), True, id="equal"),
        pytest.param(Behaviour(recall=0.1), Behaviour(recall=0.9), True, id="a blind spot is closed"),
        pytest.param(Behaviour(), Behaviour(recall=0.76), True, id="a little worse"),
        pytest.param(Behaviour(flag=True), Behaviour(), False, id="a standing false alarm is gone"),
        pytest.param(Behaviour(), Behaviour(recall=0.0), False, id="an empty street"),
        pytest.param(Behaviour(), Behaviour(flag=True), True, id="one new standing false alarm"),
        pytest.param(Behaviour(), Behaviour(frame_ms=39.0), True, id="twice the latency"),
    ],
)
def test_an_honest_model_stays(
    tmp_path: Path, before: Behaviour, honest: Behaviour, objects: bool, taught: bool
) -> None:
    site = Site(tmp_path, Street(objects=objects), taught=taught)
    site.behaviours["old"] = before
    site.order("new", honest)
    site.run(QUARTER_S)
    assert site.name == "new"
    assert SwapOutcome.ROLLED_BACK not in {receipt.outcome for receipt in site.store.receipts()}


def test_a_model_that_is_worse_while_on_probation_goes_back_with_the_same_reason(tmp_path: Path) -> None:
    site = Site(tmp_path, Street(), taught=False)
    drain(site.store)
    site.trial_s = 1e9
    site.restart()
    site.order("new", Behaviour(alarms=5))
    site.run(300, until="old")
    site.run(20)
    assert [(r.outcome, r.reason) for r in drain(site.store)] == [
        (SwapOutcome.ROLLED_BACK, SwapReason.WORSE_IN_SERVICE)
    ]
    assert site.name == "old"


def test_the_comparison_goes_on_after_a_restart(tmp_path: Path) -> None:
    site = Site(tmp_path, Street(), taught=True)
    site.order("new", Behaviour(alarms=5))
    site.restart()
    assert site.name == "new"
    assert site.run(300, until="old") < 300


def test_an_order_back_is_not_undone_because_the_unwanted_model_finds_more(tmp_path: Path) -> None:
    site = Site(tmp_path, Street(), taught=True)
    site.order("new", Behaviour(recall=1.0))
    site.behaviours["old"] = Behaviour(recall=0.3)
    site.order("old", Behaviour(recall=0.3), downgrade=True)
    site.run(600)
    assert site.name == "old"


def test_the_comparison_ends_in_time(tmp_path: Path) -> None:
    site = Site(tmp_path, Street(), taught=False)
    site.order("new", Behaviour())
    assert site.updates.shadow is not None
    assert site.updates.shadow_reports(NOW) == []
    site.time_s += int(POLICY.for_s)
    site.updates.tick(NOW + site.time_s)
    assert site.updates.shadow is None


EQUAL = PairedCounts(
    frames=1000,
    with_boxes=900,
    unconfirmed=(50, 50),
    supported=200,
    alone=(10, 10),
    unsupported=(10, 10),
    timed=200,
    median_ms=(25.0, 25.0),
    taught=True,
)


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"median_ms": (101.0, 25.0)}, "101 ms, 25 ms before"),
        ({"median_ms": (101.0, 25.0), "timed": 19}, None),
        ({"median_ms": (39.0, 2.0)}, None),
        ({"alone": (5, 45)}, "misses 45 of 200 tracks"),
        ({"alone": (5, 45), "taught": False}, None),
        ({"alone": (5, 45), "frames": 99}, None),
        ({"alone": (20, 38)}, None),
        ({"alone": (5, 30)}, None),
        ({"alone": (1, 29)}, "misses 29 of 200 tracks"),
        ({"alone": (0, 8), "supported": 20}, None),
        ({"unconfirmed": (1001, 50)}, "1.0 unconfirmed boxes per frame, 0.1 before"),
        ({"unconfirmed": (999, 50)}, None),
        ({"unconfirmed": (3000, 700)}, None),
        ({"unconfirmed": (3999, 50), "taught": False}, None),
        ({"unconfirmed": (4001, 50), "taught": False}, "4.0 unconfirmed boxes per frame"),
        ({"with_boxes": 0, "unsupported": (0, 20)}, "no output in 1000 frames; 20 tracks before"),
        ({"with_boxes": 0, "unsupported": (0, 19)}, None),
        ({"with_boxes": 1, "unsupported": (0, 99)}, None),
    ],
)
def test_what_is_worse_and_what_is_not(changes: dict[str, object], phrase: str | None) -> None:
    assert worse_in_service(EQUAL, POLICY) is None
    worse = worse_in_service(replace(EQUAL, **changes), POLICY)  # type: ignore[arg-type]  # a case's counts
    assert worse is None if phrase is None else phrase in str(worse)
