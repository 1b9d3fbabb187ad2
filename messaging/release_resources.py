"""The REST API's types of models and rollouts."""

from typing import Any

from pydantic import Field

from messaging.fields import Slug
from messaging.resources import Resource


class TicketRequest(Resource):
    """Permit sites (none named: all) to go back to a release for some days."""

    sites: tuple[Slug, ...] = Field(default=(), max_length=1000)
    days: float = Field(default=7.0, gt=0.0, le=365.0)


class TicketResource(Resource):
    """A signed downgrade ticket; `sites` empty: every site."""

    number: int
    sites: tuple[str, ...]
    expires_at_utc: int


class ModelResource(Resource):
    """One released detector or teacher; a list comes without its downgrade `ticket`."""

    digest: str
    role: str = "detector"
    channel: str
    name: str
    version: int
    length_bytes: int
    parent_digest: str | None
    campaign: str | None
    signed_at: int
    sites: tuple[str, ...] = ()
    description: dict[str, Any]
    ticket: TicketResource | None = None


class SignatureResource(Resource):
    """The newest metadata of a role of the release repository, and who has signed it.

    `threshold` of the `keys` that the root names must have signed; `signed_by` are those whose signature is
    valid.
    """

    role: str
    version: int
    expires_at_utc: int
    threshold: int
    keys: tuple[str, ...]
    signed_by: tuple[str, ...]


class VerificationResource(Resource):
    """A release verified at a time as a site verifies it: signatures, expiry, and the stored bundle.

    Unless it is `valid`, `fault` states why. The digests are those of the signed manifest: of the evaluation
    report, and of the manifest of the generated images that it was trained on.
    """

    digest: str
    valid: bool
    fault: str = ""
    verified_at: int
    version: int | None = None
    channel: str | None = None
    bundle: str | None = None
    evaluation_digest: str | None = None
    synthetic_set_digest: str | None = None
    signatures: tuple[SignatureResource, ...] = ()


class GuardResource(Resource):
    """What a site's guard last measured of a release beside the model before, on the same frames.

    Totals over all cameras and classes. `outcome`: comparing, passed or worse. `output_fraction`: of the
    frames, those with a box of the release. Latencies are medians in milliseconds. `alarms_per_frame`: boxes
    that the teacher does not confirm (without one: that the other model does not); `alarm_ratio` is that of
    the release to that of the model before. Recall is that on the teacher's tracks, with 95 % intervals;
    missing without a teacher and with few tracks (`supported`).
    """

    outcome: str
    previous_digest: str
    frames: int
    output_fraction: float
    latency_ms: float
    previous_latency_ms: float
    alarms_per_frame: float
    previous_alarms_per_frame: float
    alarm_ratio: float | None = None
    supported: int | None = None
    recall: float | None = None
    recall_interval: tuple[float, float] | None = None
    previous_recall: float | None = None
    previous_recall_interval: tuple[float, float] | None = None
    minute_utc: int

    @property
    def latency_text(self) -> str:
        """`31 ms (29 before)`."""
        return f"{self.latency_ms:g} ms ({self.previous_latency_ms:g} before)"

    @property
    def output_text(self) -> str:
        """`in 35 % of 3,400 frames`, or `none in 3,400 frames`."""
        part = f"in {100 * self.output_fraction:.0f} % of" if self.output_fraction else "none in"
        return f"{part} {self.frames:,} frames"

    @property
    def alarms_text(self) -> str:
        """`0.12 a frame (0.1 before, ratio 1.2)`."""
        ratio = "" if self.alarm_ratio is None else f", ratio {self.alarm_ratio:g}"
        return f"{self.alarms_per_frame:g} per frame ({self.previous_alarms_per_frame:g} before{ratio})"

    @property
    def recall_text(self) -> str:
        """`91 % [85, 95] of 140 tracks (84 % [77, 89] before)`, or why there is none."""
        after = _recall_text(self.recall, self.recall_interval)
        before = _recall_text(self.previous_recall, self.previous_recall_interval)
        if not after or not before:
            return "no teacher, or too few tracks"
        return f"{after} of {self.supported:,} tracks ({before} before)"


def _recall_text(recall: float | None, interval: tuple[float, float] | None) -> str:
    if recall is None or interval is None:
        return ""
    low, high = (100 * value for value in interval)
    return f"{100 * recall:.0f} % [{low:.0f}, {high:.0f}]"


class RolloutSiteResource(Resource):
    """State of one site in a rollout, and what its guard measured if it has reported that."""

    site: str
    group: str = ""
    state: str
    reason: str = ""
    guard: GuardResource | None = None


class RolloutEventResource(Resource):
    """What was done to a rollout, when (seconds since 1970), and by whom."""

    at: int
    by: str
    action: str
    note: str = ""


class RolloutResource(Resource):
    """One rollout; `awaiting` is the group that waits for approval.

    `site_states`: how many of its sites are in which state. Lists come without `sites` and `events`.
    """

    id: str
    role: str = "detector"
    campaign: str | None
    digest: str
    previous_digest: str | None
    phase: str
    paused: bool
    awaiting: str | None = None
    reason: str
    site_states: dict[str, int] = Field(default_factory=dict)
    sites: tuple[RolloutSiteResource, ...] = ()
    events: tuple[RolloutEventResource, ...] = ()
    created_at: int
    updated_at: int

    @property
    def number_of_sites(self) -> int:
        """How many sites it has."""
        return sum(self.site_states.values())


class RolloutApproval(Resource):
    """The approval of one group; it is refused if another group waits by now. None: whichever waits."""

    group: str | None = Field(default=None, max_length=40)


class RolloutRequest(Resource):
    """Roll a released model out to all sites."""

    digest: str
