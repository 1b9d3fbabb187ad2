"""What the demo plays: three cameras at two sites, the phases of their footage, and how much of everything.

The night, rain and fog of these cameras are conditions that the shipped detector never saw. All numbers of
a run are here; `TINY` turns the same wheels on so little that it proves plumbing and nothing else, `ROUNDS`
takes its time to close one failure mode after another. There garbage has a stricter target than others: with
the usual one a campaign for fallen persons in the same night closes it beside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from messaging.taxonomy import Condition
from synth.street import DRAWN_CLASSES, StreetCamera, WorldName

FPS = 5.0
SEGMENT_FRAMES = 50


class FootagePhase(StrEnum):
    """What a stretch of footage is for. `filler` keeps frames flowing while the cloud works.

    A model that was swapped in has to look at frames before it counts as held: `swap`.
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
        """The camera itself; any stretch of frames can be drawn."""
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
    """A street where one hazard is common, so that a short film holds enough tracks of it.

    No smoke: the bundled generator paints it too faintly in the dark to mend anything.
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
    """How much of everything a run plays. Segments are stretches of `SEGMENT_FRAMES` frames a camera."""

    segments: dict[FootagePhase, int] = field(
        default_factory=lambda: dict(zip(FootagePhase, (10, 2, 10, 1, 12), strict=True)),
    )
    spawn_per_s: float = 1.2
    modes: int = 2
    images_per_mode: int = 60
    replay_images: int = 320
    calibration_images: int = 720
    holdout_images: int = 720
    empty_pictures: int = 100
    epochs: int = 9
    best_of: int = 1
    verify_s: float = 120.0
    targets: Mapping[str, float] = field(default_factory=dict)
    plumbing: bool = False
    name: str = "full"

    def start_of(self, phase: FootagePhase, round_number: int) -> int:
        """First frame of a phase in a round; phases never share a frame."""
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
    empty_pictures=6,
    epochs=1,
    verify_s=20.0,
    plumbing=True,
    name="tiny",
)
PROFILES = {profile.name: profile for profile in (FULL, ROUNDS, TINY)}
