"""The REST API's types of trends: what happened in each hour or day, for the first page."""

from messaging.resources import Resource


class TrendPoint(Resource):
    """One hour or day, from `at` on, and the state of the fleet at its end.

    `sites_reporting`: sites of which any report but a heartbeat was received. `sites_on_current_model`: of
    the `sites`, those whose last receipt by then names the model that is current today. `open_failure_modes`
    is None where the status of a mode at that time was not recorded.
    """

    at: int
    hazards: int
    misdetections: int
    sites_reporting: int
    sites: int
    sites_on_current_model: int
    open_failure_modes: int | None


class TrendsResource(Resource):
    """Points from `since` to `until`, one for each `bucket_s` seconds (UTC); `notes`: what is not stored."""

    since: int
    until: int
    bucket_s: int
    group: str | None
    current_model: str | None
    points: tuple[TrendPoint, ...]
    notes: tuple[str, ...]
