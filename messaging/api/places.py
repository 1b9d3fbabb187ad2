"""The REST API's type of the places of a map: cameras and sites whose position is configured."""

from messaging.resources import Resource


class PlaceResource(Resource):
    """A camera, or a site for its cameras without a position of their own, and its open hazards.

    `longitude` and `latitude` are degrees (WGS 84). Open are hazards of the last 30 days that their site has
    not closed and nobody has resolved or called a false alarm; `severity` is that of the worst of them.
    `site_state`: online, offline, quarantined or revoked; None of a site that the cloud does not know.
    `open_failure_modes`: of which the site has reported evidence.
    """

    site: str
    camera: str | None
    longitude: float
    latitude: float
    open_hazards: int
    severity: int | None
    site_state: str | None = None
    open_failure_modes: int = 0
