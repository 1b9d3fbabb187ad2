"""The REST API's types of verdict requests: a person saw a hazard that the detector missed."""

from typing import Literal

from pydantic import Field

from messaging.fields import Slug
from messaging.resources import Resource

RequestState = Literal[
    "sent", "confirmed", "detected", "not_found", "no_teacher", "not_kept", "not_known", "expired"
]


class MissedHazard(Resource):
    """A hazard that was missed: its class, the camera, and about when, in seconds since 1970 (None: now)."""

    camera: Slug
    class_name: Slug
    at_utc: int | None = Field(default=None, ge=0, le=4_102_444_800)


class VerdictRequestResource(Resource):
    """A request to a site and its state, which `meaning` states in a sentence.

    Attributes:
        at_utc: when the hazard was there, by the person who asked.
        by, asked_at, expires_at: who asked, and when; from `expires_at` on the site does not answer.
        state: `sent` until the site answers or the request expires; `confirmed`: the site found it, and
            reports a misdetection; `detected`: the model in service reported it; `not_found`, `no_teacher`:
            it found nothing, with and without a teacher; `not_kept`: it keeps no frame of that time any
            more; `not_known`: it has no such camera or class.
    """

    number: int
    site: str
    camera: str
    class_name: str
    at_utc: int
    by: str
    asked_at: int
    expires_at: int
    answered_at: int | None
    state: RequestState
    meaning: str
