"""The script of the demo: three cameras at two sites, the phases of their footage, and all quantities.

The shipped detector was never trained on the night, rain and fog of these cameras. `FULL` is the default
profile, `TINY` a smoke test of the same stages; `ROUNDS` closes one failure mode after another. In `ROUNDS`
garbage has a stricter target than other classes, because with the default one a campaign for fallen persons
closes it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from messaging.taxonomy import Condition
from synth.street import DRAWN_CLASSES, StreetCamera, WorldName

FPS = 5.0
DEFAULT_MINUTES = 12.0
SEGMENT_FRAMES = 50


class FootagePhase(StrEnum):
    """The purpose of a part of the footage.

    `filler` keeps frames coming while the cloud works; `swap` provides the frames of a new model's probation.
    """

    OBSERVE = "observe"
    FILLER = "filler"
    SHADOW = "shadow"
    SWAP = "swap"
    VERIFY = "verify"


@dataclass(frozen=True)
class DemoCamera:
    """One drawn camera of one site."""

    name: str
    site: str
    condition_key: str
    seed: int
    weights: Mapping[str, float]

    @property
    def condition(self) -> Condition:
        """Its light and weather."""
        return Condition.parse(self.condition_key)

    def open(self, spawn_per_s: float) -> StreetCamera:
        """The camera; any of its frames can be drawn."""
        return StreetCamera(
            world=WorldName.FOOTAGE,
            seed=self.seed,
            condition=self.condition,
            fps=FPS,
            classes=DRAWN_CLASSES,
            hazard_weights=self.weights,
            spawn_per_s=spawn_per_s,
        )


def _mostly(common: str, weight: float = 6.0, *, absent: tuple[str, ...] = ("smoke",)) -> dict[str, float]:
    """Weights of the classes on a street where one hazard is common, so that short footage has enough tracks.

    No smoke: the bundled generator renders it too faintly in the dark to train on.
    """
    return {**dict.fromkeys(DRAWN_CLASSES, 1.0), common: weight, **dict.fromkeys(absent, 0.0)}


CAMERAS = (
    DemoCamera("bridge", "north", "night-rain", 11, _mostly("fallen_person")),
    DemoCamera("market", "north", "night-rain", 23, _mostly("garbage", 12.0)),
    DemoCamera("harbour", "south", "dusk-fog", 37, _mostly("garbage", absent=("smoke", "fallen_person"))),
)
SITES = ("north", "south")


@dataclass(frozen=True)
class DemoProfile:
    """All quantities of a run. A segment has `SEGMENT_FRAMES` frames per camera.

    `verify_s` and `shadow_s` are the longest times that these stages may take.
    """

    segments: dict[FootagePhase, int] = field(
        default_factory=lambda: dict(zip(FootagePhase, (10, 2, 10, 1, 12), strict=True)),
    )
    spawn_per_s: float = 1.2
    modes: int = 2
    images_per_mode: int = 60
    replay_images: int = 160
    calibration_images: int = 720
    holdout_images: int = 720
    photographs: int = 200
    empty_images: int = 100
    epochs: int = 9
    best_of: int = 1
    verify_s: float = 120.0
    shadow_s: float = 240.0
    targets: Mapping[str, float] = field(default_factory=dict)
    smoke_test: bool = False
    name: str = "full"

    def start_of(self, phase: FootagePhase, round_number: int) -> int:
        """First frame of a phase in a round; no frame is in two phases."""
        order = list(FootagePhase)
        before = sum(self.segments[p] for p in order[: order.index(phase)])
        whole = sum(self.segments.values())
        return (before + whole * round_number) * SEGMENT_FRAMES


FULL = DemoProfile()
ROUNDS = replace(
    FULL,
    segments=FULL.segments | {FootagePhase.SHADOW: 14, FootagePhase.VERIFY: 20},
    modes=1,
    images_per_mode=120,
    epochs=15,
    verify_s=200.0,
    targets={"garbage": 0.6},
    name="rounds",
)
TINY = DemoProfile(
    segments=dict(zip(FootagePhase, (3, 1, 2, 1, 2), strict=True)),
    modes=1,
    images_per_mode=4,
    replay_images=24,
    calibration_images=12,
    holdout_images=10,
    photographs=6,
    empty_images=6,
    epochs=1,
    verify_s=20.0,
    smoke_test=True,
    name="tiny",
)
