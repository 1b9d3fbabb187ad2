"""The REST API's types of one site, and of what left the sites day by day."""

from messaging.resources import CameraResource, Resource, SiteResource


class LedgerDayResource(Resource):
    """Messages of one kind of one site that were received on one day (UTC) from `at` on.

    Heartbeats have no history, so that they are not among them.
    """

    at: int
    site: str
    kind: str
    count: int
    length_bytes: int


class SitePageResource(Resource):
    """One site as its page shows it.

    `enrolment` is `waiting` (enrolled, has never reported), `reporting` or `revoked`; `commands` are what to
    run next, the first on the cloud's machine. `clock_skew_s`: the site's clock minus the cloud's when the
    last heartbeat arrived, its way included; None without one. `dead_letters`: its refused messages.
    """

    site: SiteResource
    cameras: tuple[CameraResource, ...]
    clock_skew_s: int | None
    enrolment: str
    commands: tuple[str, ...]
    dead_letters: int


class LedgerEntryResource(Resource):
    """Number and hash of a ledger entry that a site has signed."""

    n: int
    hash: str
