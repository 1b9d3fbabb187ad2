"""Results and campaigns of a demo run, without a run."""

from typing import Any

from cloud.demo.result import ClipRow, DemoResult, Images, Measured, Row, Score, SiteBytes
from messaging.resources import CampaignResource, StageResource

UNMEASURED = Measured(11.0, None, None, None, None)
RESULT = DemoResult(
    rows=(
        Row("garbage", "night-rain", True, Score(100, 30, 2), Score(100, 60, 4), 0.65, 0.61, 40),
        Row("fire", "day-fog", False, Score(50, 40, 1), Score(50, 38, 1)),
    ),
    sites=(SiteBytes("north", {"hazard": 900, "heartbeat": 100}, {"hazard": 2}, 10_000_000),),
    images=Images(100, 80, {"no_difference": 5}),
    stages_s={"train": 90.0},
    measured=UNMEASURED,
    photographs=(Row("smoke", "photographs", False, Score(20, 10, 1), Score(20, 9, 1)),),
    clips=(ClipRow("bonfire", "fire", 41, 3, 40),),
)


def stage(name: str, state: str = "done", **fields: Any) -> StageResource:
    """A stage of a campaign."""
    return StageResource(stage=name, state=state, **fields)


def campaign(**changes: Any) -> CampaignResource:
    """A finished campaign for missed fires that put its candidate in service; any field may be changed."""
    fields: dict[str, Any] = {
        "id": "c", "state": "done", "reason": "", "started_by": "demo", "modes": ("fire.night-rain.missed",),
        "count": 60, "seed": 1, "attempt": 1, "incumbent_digest": "a" * 64, "candidate_digest": "b" * 64,
        "created_at": 0, "updated_at": 0, "ended_at": 0, "images_kept": 55,
        "images_refused": {"duplicate": 5}, "stages": (stage("roll_out", metrics={"frames_lost": 0}),),
    }  # fmt: skip
    return CampaignResource(**{**fields, **changes})
