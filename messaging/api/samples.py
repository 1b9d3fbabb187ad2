"""The REST API's types of sample images, generated before a campaign is started."""

from typing import Literal

from pydantic import Field

from messaging.resources import Resource

MOST_SAMPLES = 8


class SampleRequest(Resource):
    """Samples of one failure mode: at most 8 hazards. Another seed gives other images; None: drawn."""

    mode: str = Field(max_length=160)
    count: int = Field(default=4, ge=1, le=MOST_SAMPLES)
    seed: int | None = Field(default=None, ge=0, lt=2**31)


class SampleResource(Resource):
    """Samples under way, or ended. The sheet has one row for each hazard; it is there once the state is done.

    Attributes:
        hazards: rows of the sheet; `labelled` of them got a label.
        reason: why there is no sheet, where the state is failed.
        seconds: how long it has taken.
    """

    id: str
    mode: str
    class_name: str
    condition: str
    count: int
    seed: int
    state: Literal["running", "done", "failed"]
    hazards: int = 0
    labelled: int = 0
    prompts: tuple[str, ...] = ()
    reason: str = ""
    started_at: int
    seconds: float
