"""The REST API's type of live events: what has changed, so that a page reads it again."""

from enum import StrEnum

from messaging.resources import Resource


class EventKind(StrEnum):
    """What has changed. After `reset` a client reads everything again: events were missed."""

    HAZARD = "hazard"
    SITE = "site"
    FAILURE_MODE = "failure_mode"
    CAMPAIGN = "campaign"
    ROLLOUT = "rollout"
    VERDICT_REQUEST = "verdict_request"
    RESET = "reset"


class LiveEvent(Resource):
    """That an object has changed: its kind, its id, and its site where it has one."""

    kind: EventKind
    id: str
    site: str | None = None
