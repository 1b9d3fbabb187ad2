"""The REST API's types of the history of one failure mode, from its first evidence on."""

from messaging.resources import RecallResource, Resource


class EvidenceDay(Resource):
    """Numbers of misdetections of one day (UTC) by evidence source."""

    at: int
    sources: dict[str, int]


class RecallDay(Resource):
    """Estimated recall of one day (UTC), of the models that were in service; shadow runs are left out."""

    at: int
    recall: RecallResource


class CampaignMark(Resource):
    """A campaign for the mode: when it was made and ended, and with which result."""

    campaign: str
    started_at: int
    ended_at: int | None
    state: str
    reason: str


class StatusChange(Resource):
    """A change of its status with the reason in a sentence; `before` is None if it was not recorded."""

    at: int
    before: str | None
    status: str
    campaign: str | None
    reason: str


class HeatMap(Resource):
    """How many boxes cover each cell of the frame, weighted by probability; rows from the top.

    `boxes` is the number of misdetections that it was made of, at most the newest of the window.
    """

    columns: int
    rows: int
    boxes: int
    values: tuple[tuple[float, ...], ...]


class ModeHistoryResource(Resource):
    """The past of a failure mode between `since` and `until`; days without anything are left out.

    `target`: what the lower bound of the estimated recall must exceed to close it.
    """

    id: str
    since: int
    until: int
    target: float
    evidence: tuple[EvidenceDay, ...]
    recall: tuple[RecallDay, ...]
    campaigns: tuple[CampaignMark, ...]
    changes: tuple[StatusChange, ...]
    heat_map: HeatMap
