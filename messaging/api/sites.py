"""The REST API's types of one site, of cameras, and of what left the sites day by day."""

from messaging.resources import Resource, SiteResource

NOT_REPORTED = "not reported"
"""Of what the site's version does not state; the cloud assumes none."""


class SiteGroupResource(Resource):
    """A group of sites, and how many there are that the caller may see."""

    group: str
    sites: int


class BudgetResource(Resource):
    """A camera's privacy budget (epsilon) in so many days in which its node runs, and what is left of it.

    `account` is `open` (a release fits), `spent` (none fits) or `lost` (its file was lost or cannot be read,
    so that it counts as spent).
    """

    epsilon: float
    window_days: int
    epsilon_left: float
    account: str


class CameraResource(Resource):
    """One camera in its site's last heartbeat.

    `epsilon_spent`: the privacy budget (epsilon) that it had spent when it released its last prototype, at
    `epsilon_spent_at` (seconds since 1970); null while no prototype of it is stored. `budget`: as the
    heartbeat states it; null from sites of a version that does not report it.

    `frames`, `skipped`, `dropped`, `failures` (frames that were not processed), `detections`, `misdetections`
    and `decode_errors` count from the start of the site's node. `fps`: frames that the camera gave per second
    between the last two heartbeats, dropped ones included; `processed_fps` and `skipped_fps` (no motion) are
    parts of it. `day_fraction` and `night_fraction`: of the frames, by their light tags; dusk and unknown are
    the rest. The gate rounds rates and `decode_errors` to ten steps a decade and fractions to twentieths.
    These five are null from sites of a version that does not report them.
    """

    site: str
    camera: str
    connected: bool
    fps: float
    frames: int
    skipped: int
    dropped: int
    failures: int
    detections: int
    misdetections: int
    inference_p50_ms: float
    inference_p95_ms: float
    frame_age_s: float
    light: str
    weather: str
    epsilon_spent: float | None = None
    epsilon_spent_at: int | None = None
    budget: BudgetResource | None = None
    processed_fps: float | None = None
    skipped_fps: float | None = None
    decode_errors: int | None = None
    day_fraction: float | None = None
    night_fraction: float | None = None

    @property
    def rates_text(self) -> str:
        """Frames per second for people."""
        if self.processed_fps is None or self.skipped_fps is None:
            return f"{self.fps:g} in, processed and skipped {NOT_REPORTED}"
        return f"{self.fps:g} in, {self.processed_fps:g} processed, {self.skipped_fps:g} skipped"

    @property
    def light_text(self) -> str:
        """The fractions of frames by light, for people."""
        if self.day_fraction is None or self.night_fraction is None:
            return NOT_REPORTED
        return f"{100 * self.day_fraction:.0f} % by day, {100 * self.night_fraction:.0f} % by night"

    @property
    def decode_errors_text(self) -> str:
        """Decode errors for people."""
        return NOT_REPORTED if self.decode_errors is None else f"{self.decode_errors:,}"

    @property
    def budget_text(self) -> str:
        """The budget for people."""
        budget = self.budget
        return NOT_REPORTED if budget is None else f"{budget.epsilon:g} in {budget.window_days} days"

    @property
    def left_text(self) -> str:
        """What is left of the budget, for people."""
        budget = self.budget
        if budget is None:
            return NOT_REPORTED
        if budget.account == "lost":
            return "account lost, counts as spent"
        if budget.account == "spent":
            rest = f", {budget.epsilon_left:g} is too little" if budget.epsilon_left else ""
            return f"spent{rest}"
        return f"{budget.epsilon_left:g}"


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
