"""Resources and requests of the REST API, shared by the cloud and its clients. No logic, no pixels.

A resource is built from an object with fields of the same names (`model_validate`), and clients ignore fields
that they do not know. Times are seconds since 1970 (UTC), fractions are from 0 to 1.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from messaging.fields import Slug
from messaging.hazard_classes import HazardClass
from messaging.taxonomy import Condition

Item = TypeVar("Item")

API_PREFIX = "/api/v1"
TOKEN_HEADER = "Authorization"
IDEMPOTENCY_HEADER = "Idempotency-Key"
OPERATOR_HEADER = "Blindspot-Operator"
OPERATOR_NAME = r"^[A-Za-z0-9_.@+-]{1,60}$"
"""Who asks for a change, as stated by the client and entered in the history; the token is one for all."""
DRY_RUN_HEADER = "Blindspot-Dry-Run"
"""`true` in a request that changes something: validate it and change nothing."""
CLIENT_HEADER = "Blindspot-Client"
"""The address of the browser for which the page logs in; used only with the data folder's token."""


class Resource(BaseModel):
    """Root of all resources."""

    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True)


def _key_of(condition: object) -> object:
    return condition.key if isinstance(condition, Condition) else condition


ConditionKey = Annotated[str, BeforeValidator(_key_of)]
"""A condition as `night-rain`."""


class Page(Resource, Generic[Item]):
    """One page of a list; `next` is the cursor of the following page, or None at the end."""

    items: tuple[Item, ...]
    next: str | None = None


class Problem(Resource):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class DryRunResource(Resource):
    """The answer to a valid dry run: what the request would do, as a sentence."""

    would: str


class VersionResource(Resource):
    """The program that is running."""

    name: str = "blindspot-cloud"
    version: str
    api: str = "v1"


class ReadinessResource(Resource):
    """Whether the cloud can do its work, and why not."""

    ready: bool
    reasons: tuple[str, ...] = ()


class SiteResource(Resource):
    """One site: its models, its last heartbeat, and the messages that wait to leave it.

    `provider` is the execution provider of its model, `provider_wanted` the one that it prefers.
    `open_failure_modes`: those that its cameras have reported evidence of; None in answers to a change.
    `cannot_close`: why what this site reports closes no failure mode; empty if it can. The ledger is verified
    up to the last signed checkpoint; `ledger_fault`: why what the site has signed contradicts itself.
    """

    site: str
    online: bool
    revoked: bool = False
    quarantined: bool = False
    site_group: str = ""
    last_seen_at: int | None = None
    model_digest: str | None = None
    candidate_digest: str | None = None
    channel: str | None = None
    provider: str | None = None
    provider_wanted: str | None = None
    teacher_digest: str | None = None
    teacher_fraction: float | None = None
    cannot_close: str = ""
    uptime_s: int | None = None
    resident_mb: float | None = None
    outbox_messages: int | None = None
    shed: int | None = None
    epsilon_spent: float | None = None
    transport_bytes: int | None = None
    cameras: int = 0
    open_failure_modes: int | None = None
    ledger_n: int = 0
    ledger_verified_n: int | None = None
    ledger_verified_at: int | None = None
    ledger_fault: str = ""

    @property
    def fallback(self) -> str | None:
        """That its model runs on another execution provider than the preferred one; None if it does not."""
        if self.provider == self.provider_wanted:
            return None
        return f"on {self.provider} instead of {self.provider_wanted}"


class HazardResource(Resource):
    """One hazard event in its latest state; the box is centre and size as fractions of the frame.

    `state` is what its site reports, `status` what operators have made of it.
    """

    site: str
    event: str
    camera: str
    class_name: str
    state: str
    severity: int
    confidence: float
    condition: ConditionKey
    zone: str | None
    box: tuple[float, float, float, float]
    started_at_utc: int
    at_utc: int
    model_digest: str
    status: str = "open"


class HazardStatusRequest(Resource):
    """What an operator makes of a hazard."""

    status: Literal["acknowledged", "resolved", "false_alarm"]


class RecallResource(Resource):
    """Estimated recall: detected of supported tracks with its 95 % Wilson interval, and by source."""

    supported: int
    detected: int
    value: float | None
    low: float
    high: float
    by_source: dict[str, tuple[int, int]] = Field(default_factory=dict)


class GeometryResource(Resource):
    """Weight of boxes of one size in one region of the frame."""

    size: str
    region: str
    weight: float


class FailureModeResource(Resource):
    """One failure mode; `rate` is the misdetection rate of the models in service.

    A list names some of its `sites` and `cameras` alone; `site_count` and `camera_count` count all.
    """

    id: str
    class_name: str
    condition: ConditionKey
    kind: str
    status: str
    status_since: int
    campaign: str | None
    harm: float
    frequency_per_hour: float
    severity: int
    count: int
    count_in_service: int
    sites: tuple[str, ...]
    cameras: tuple[str, ...]
    site_count: int = 0
    camera_count: int = 0
    sources: dict[str, int]
    geometry: tuple[GeometryResource, ...]
    first_seen_utc: int
    last_seen_utc: int
    recall: RecallResource
    target: float
    rate: float | None
    baseline_rate: float | None
    assigned_class: str | None = None
    suggested_class: str | None = None


class AssignRequest(Resource):
    """The class that an operator gives to an unknown failure mode."""

    class_name: str


class ClassesResource(Resource):
    """The hazard classes of the deployment; `detected` are the names that the newest release has."""

    classes: tuple[HazardClass, ...]
    detected: tuple[str, ...]


class AddedClasses(Resource):
    """Classes to add at the end, in this order."""

    classes: tuple[HazardClass, ...] = Field(min_length=1, max_length=100)


class CampaignRequest(Resource):
    """A campaign to start. No modes: the `top` most harmful open ones that training can improve.

    Unknown options are refused.

    `cold_start` names a class of which there is no evidence yet, to be generated under `conditions`, written
    `night-rain` (none: day and night, each clear and in rain).
    """

    modes: tuple[str, ...] = ()
    cold_start: Slug | None = None
    conditions: tuple[str, ...] = Field(default=(), max_length=20)
    top: int = Field(default=1, ge=1, le=16)
    count: int | None = Field(default=None, ge=1, le=100_000)
    seed: int | None = Field(default=None, ge=0, le=2**31 - 1)
    options: dict[str, Any] = Field(default_factory=dict)


class StageResource(Resource):
    """One stage of a campaign. `seconds_left` is extrapolated from the progress so far."""

    stage: str
    state: str
    progress: float = 0.0
    note: str = ""
    metrics: dict[str, Any] = Field(default_factory=dict)
    runs: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    seconds_left: float | None = None


class CampaignResource(Resource):
    """One campaign with its stages and the numbers of its images."""

    id: str
    state: str
    reason: str
    started_by: str
    modes: tuple[str, ...]
    count: int
    seed: int | None
    attempt: int
    incumbent_digest: str | None
    candidate_digest: str | None
    created_at: int
    updated_at: int
    ended_at: int | None
    stages: tuple[StageResource, ...]
    images_kept: int
    images_refused: dict[str, int]

    @property
    def state_text(self) -> str:
        """Its state with the reason, if that is more than the state."""
        return self.state if self.reason in ("", self.state) else f"{self.state}: {self.reason}"


class ImageResource(Resource):
    """One synthetic image; `thumbnail` is an address of this API."""

    id: int
    name: str
    mode: str
    kept: bool
    reason: str
    thumbnail: str | None
    provenance: dict[str, Any]


class ComparisonResource(Resource):
    """Metrics of incumbent and candidate of a campaign for a class and a condition."""

    campaign: str
    incumbent_digest: str | None
    candidate_digest: str | None
    role: str
    class_name: str
    condition: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class LedgerResource(Resource):
    """Messages of one kind that the cloud received from one site: their number and bytes."""

    site: str
    kind: str
    count: int
    length_bytes: int


class VerifiedLedgerResource(Resource):
    """What the cloud found when it verified everything again that a site has signed about its ledger.

    `n`, `hash` and `at_utc` are those of the last checkpoint, `verified_at` is when it was taken. `fault` is
    the first contradiction, or empty.
    """

    site: str
    key: str
    n: int | None = None
    hash: str | None = None
    at_utc: int | None = None
    verified_at: int | None = None
    fault: str = ""


class OverviewResource(Resource):
    """The numbers of the first page. `faults`: why the cloud is not ready, one sentence each."""

    sites: int
    sites_online: int
    hazards_in_24_h: int
    open_failure_modes: int
    campaigns_running: int
    sites_on_current_model: int
    current_model: str | None
    faults: tuple[str, ...] = ()
