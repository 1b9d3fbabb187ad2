"""How much of the demo fits into the minutes that a run may take, on a machine of measured speed.

Pure: from a `Speed` and minutes to a plan. Amounts are reduced together, in twenty steps, until the expected
time fits. Costs are those of the runs G and I in docs/results.md (9.2 and 9.6 minutes) on two cores with
AVX-512 and bfloat16; a part of a run is as many times longer as the machine is slower at what it computes.
"""

import math
from dataclasses import dataclass, replace

from cloud.demo.script import FULL, DemoProfile, FootagePhase
from cloud.speed import Speed

# Of the machine of those runs: generation and training as they went in run I, detection by processor time.
REFERENCE = Speed(generated_per_minute=60.0, trained_per_s=28.0, detected_per_s=60.0)
UNMEASURED = 8.0
MEASURING_S = 24.0
MEASURING_LIMIT_S = 60.0
STEPS = 20
_STREETS = 90  # hazard-free streets that training adds
# Judged, not tried: the gain of a full run is twice its target.
LEARNS_FROM = 0.75
SLOW_START = 1.25
TOLERANCE = 1.3
LEARNING = (
    "frames_lost_in_swap",
    "target_recall_gain_points",
    "worst_other_recall_change_points",
    "worst_precision_change_points",
    "worst_photograph_recall_change_points",
    "estimated_vs_true_recall_points",
    "false_alarms_on_empty_patches_per_100",
)


@dataclass(frozen=True)
class Slowness:
    """How many times slower than the reference machine this one is, by kind of work."""

    generate: float
    train: float
    detect: float

    @classmethod
    def of(cls, speed: Speed) -> "Slowness":
        """Of measured rates; what could not be measured in time counts as `UNMEASURED` times slower."""
        return cls(
            _times_slower(REFERENCE.generated_per_minute, speed.generated_per_minute),
            _times_slower(REFERENCE.trained_per_s, speed.trained_per_s),
            _times_slower(REFERENCE.detected_per_s, speed.detected_per_s),
        )

    def times(self, factor: float) -> "Slowness":
        """The same machine, slower by a factor at everything."""
        return Slowness(self.generate * factor, self.train * factor, self.detect * factor)


@dataclass(frozen=True)
class DemoPlan:
    """What a run of the demo does within `minutes`.

    Attributes:
        fraction: 1 for the full amounts.
        parts_s: expected seconds of each part, in order.
        full_s: expected seconds of a run with the full amounts.
    """

    minutes: float
    profile: DemoProfile
    fraction: float
    slowness: Slowness
    parts_s: dict[str, float]
    full_s: float

    @property
    def expected_s(self) -> float:
        """Expected seconds of the whole run."""
        return sum(self.parts_s.values())

    @property
    def fits(self) -> bool:
        """Whether the run is expected to end in time."""
        return self.expected_s <= 60 * self.minutes

    def left_s(self, part: str, spent_s: float) -> float:
        """Expected seconds until the end, `spent_s` seconds after `part` began."""
        names = list(self.parts_s)
        later = names[names.index(part) + 1 :]
        return max(0.0, self.parts_s[part] - spent_s) + sum(self.parts_s[name] for name in later)

    def not_expected(self) -> dict[str, str]:
        """Figures whose targets this run is not expected to meet, each with the reason."""
        found: dict[str, str] = {}
        if self.fraction < LEARNS_FROM:
            why = f"{100 * self.fraction:.0f} % of the images and epochs of a full run"
            found |= dict.fromkeys(LEARNING, why)
        if self.profile.segments != FULL.segments:
            found["uplink_to_footage"] = "less footage for the same heartbeats"
        if self.slowness.detect > SLOW_START:
            found["first_frame_s"] = f"a machine {self.slowness.detect:.1f} times slower at detection"
        if not self.fits:
            found["demo_minutes"] = f"the shortest run takes about {_minutes(self.expected_s)} here"
        return found

    def lines(self) -> list[str]:
        """What is chosen, what a longer run would add, and which figures are not to be expected."""
        one, found = self.profile, self.not_expected()
        said = [
            f"chosen for {self.minutes:g} min: {_amounts(one)}; expected time {_minutes(self.expected_s)}"
        ]
        if self.fraction < 1:
            said.append(f"a longer run (--minutes {math.ceil(self.full_s / 60)}) would have {_amounts(FULL)}")
        else:
            said.append("a longer run would add nothing; `--rounds 3` closes more failure modes in more time")
        said += [f"not to be expected: {name} ({why})" for name, why in found.items()]
        return said


def plan_demo(slowness: Slowness, minutes: float, measuring_s: float = MEASURING_S) -> DemoPlan:
    """The largest run that is expected to end in time; the smallest one where none does.

    `measuring_s`: seconds that have passed already.
    """
    full_s = measuring_s + sum(_parts_s(FULL, slowness).values())
    for step in range(STEPS, 0, -1):
        fraction = step / STEPS
        profile = scaled(fraction)
        parts = {"measure": measuring_s, **_parts_s(profile, slowness)}
        plan = DemoPlan(minutes, profile, fraction, slowness, parts, full_s)
        if plan.fits:
            break
    return plan


def plan_campaign(plan: DemoPlan, elapsed_s: float) -> DemoPlan:
    """The plan of what is left after the observation, which has shown how slow the machine really is.

    Only images and epochs are changed, to fewer: the footage and the datasets are drawn already. Delays up to
    `TOLERANCE` are those of single runs and change nothing.
    """
    measuring_s = plan.parts_s["measure"]
    observed_s = elapsed_s - measuring_s
    slowness = plan.slowness.times(max(1.0, observed_s / plan.parts_s["observe"] / TOLERANCE))
    for step in range(round(plan.fraction * STEPS), 0, -1):
        fraction, smaller = step / STEPS, scaled(step / STEPS)
        profile = replace(
            plan.profile,
            modes=min(plan.profile.modes, smaller.modes),
            images_per_mode=smaller.images_per_mode,
            epochs=smaller.epochs,
        )
        parts = {"measure": measuring_s, **_parts_s(profile, slowness), "observe": observed_s}
        found = replace(plan, profile=profile, fraction=fraction, slowness=slowness, parts_s=parts)
        if found.fits:
            break
    return found


def scaled(fraction: float) -> DemoProfile:
    """The profile of this fraction of the full amounts; footage and datasets shrink less than training."""
    if fraction >= 1:
        return FULL
    footage, data = 0.3 + 0.7 * fraction, 0.2 + 0.8 * fraction
    return replace(
        FULL,
        segments={phase: max(1, round(footage * count)) for phase, count in FULL.segments.items()},
        modes=FULL.modes if fraction >= 0.5 else 1,
        images_per_mode=max(4, round(FULL.images_per_mode * fraction)),
        replay_images=round(FULL.replay_images * data),
        calibration_images=round(FULL.calibration_images * data),
        holdout_images=round(FULL.holdout_images * data),
        photographs=round(FULL.photographs * data),
        empty_images=round(FULL.empty_images * data),
        epochs=max(1, round(FULL.epochs * fraction)),
        verify_s=FULL.verify_s * footage,
        shadow_s=FULL.shadow_s * footage,
        name="shorter",
    )


def _parts_s(profile: DemoProfile, slowness: Slowness) -> dict[str, float]:
    """Expected seconds of each part of a run after the measurement."""
    segments, images = profile.segments, profile.modes * profile.images_per_mode
    sets = profile.calibration_images + profile.holdout_images + 2 * profile.photographs
    real = profile.replay_images + profile.photographs
    trained = (profile.epochs - 1) * (real + images + _STREETS) + real
    detect = slowness.detect
    return {
        "observe": (35 + 8 * segments[FootagePhase.OBSERVE]) * detect,
        "generate": (5 + images / 2) * slowness.generate,
        "train": (10 + trained / 32) * slowness.train,
        "evaluate": (4 + sets / 100) * detect,
        "shadow": 4 * segments[FootagePhase.SHADOW] * detect,
        "roll out": 9.0 * detect,
        "verify": max(profile.verify_s, 8 * segments[FootagePhase.VERIFY] * detect),
        "rest": (24 + 3 * segments[FootagePhase.VERIFY]) * detect,
    }


def _times_slower(reference: float | None, measured: float | None) -> float:
    return reference / measured if reference and measured else UNMEASURED


def _amounts(profile: DemoProfile) -> str:
    return (
        f"{profile.modes} failure modes with {profile.images_per_mode} images each, {profile.epochs} epochs, "
        f"{sum(profile.segments.values())} sections of footage"
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"
