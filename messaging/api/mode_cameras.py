"""The REST API's type of the cameras of one failure mode: how often each erred, and where it is."""

from typing import Literal

from messaging.resources import Resource


class ModeCameraResource(Resource):
    """A camera with evidence of a failure mode, of all models, and the minute of the last (seconds, UTC).

    `longitude` and `latitude` are degrees (WGS 84): its own or those of its site, as `position_of` states;
    all three are None where neither is configured.
    """

    site: str
    camera: str
    misdetections: int
    last_seen_utc: int
    position_of: Literal["camera", "site"] | None
    longitude: float | None
    latitude: float | None
