"""How much of everything: the full rehearsal closes a failure mode, the tiny one tries the plumbing."""

from dataclasses import dataclass

from tests.rehearsal.city import CitySize


@dataclass(frozen=True)
class Profile:
    """How much of everything.

    Attributes:
        city: numbers of images and frames.
        count: generated images of the campaign.
        tracks: those that a failure mode needs before it is chosen.
        classes: those that the bundled generator draws well enough for so few images.
        observe_s: how long a failure mode may take to appear.
        target: of `modes_closed`; None where too little is generated and trained to close one.
        settings: environments that configure programs, by words of their commands.
    """

    name: str
    city: CitySize
    count: int
    tracks: int
    classes: tuple[str, ...]
    observe_s: float
    target: str | None
    settings: dict[str, dict[str, str]]


FULL = Profile(
    "full",
    CitySize(base=320, replay=320, calibration=720, holdout=720, frames=1000),
    count=60,
    tracks=30,
    classes=("garbage", "fallen_person"),
    observe_s=600.0,
    target=">= 1",
    settings={},
)
TINY = Profile(
    "tiny",
    CitySize(base=88, replay=8, calibration=12, holdout=10, frames=100),
    count=4,
    tracks=1,
    classes=("garbage",),
    observe_s=300.0,
    target=None,
    settings={
        "blindspot cloud run": {
            "BLINDSPOT__SYNTHESIS__BUDGET_FACTOR": "12",
            "BLINDSPOT__TRAINING__EPOCHS": "1",
            "BLINDSPOT__TRAINING__STREETS": "4",
            "BLINDSPOT__PROMOTION__RECALL_DROP": "1.0",
            "BLINDSPOT__PROMOTION__PRECISION_DROP": "1.0",
            "BLINDSPOT__PROMOTION__CONDITION_DROP": "1.0",
            "BLINDSPOT__PROMOTION__ENOUGH_TRACKS": "1",
            "BLINDSPOT__PROMOTION__LATENCY_RATIO": "100.0",
            "BLINDSPOT__PROMOTION__FALSE_ALARM_RATIO": "100.0",
            "BLINDSPOT__PROMOTION__SIGNIFICANCE": "false",
            "BLINDSPOT__CAMPAIGN__VERIFY_DEADLINE_S": "30",
        },
        "blindspot-edge node": {
            "BLINDSPOT__REPORTS__EVIDENCE_S": "2",
            "BLINDSPOT__REPORTS__HEARTBEAT_S": "2",
            "BLINDSPOT__REPORTS__TALLY_S": "5",
            "BLINDSPOT__REPORTS__SHADOW_S": "5",
            "BLINDSPOT__UPDATES__TRIAL_S": "10",
            "BLINDSPOT__UPDATES__LATENCY_FACTOR": "20",
            "BLINDSPOT__UPDATES__GUARD__FOR_S": "0",
        },
    },
)
PROFILES = {profile.name: profile for profile in (FULL, TINY)}
