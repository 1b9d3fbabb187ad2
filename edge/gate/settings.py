"""Settings of a site's gate: site, brokers, folders, polling interval, how much may leave."""

import math
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from edge.gate.limits.count_caps import COUNT_LIMITS
from edge.gate.limits.kept_buckets import CountLimit
from edge.gate.rate_cap import RESERVE_FOR_HEARTBEATS, ByteLimits
from messaging.bus import Link
from messaging.fields import Slug
from messaging.nats.subjects import inbox_prefix
from messaging.reports import MOST_CAMERAS
from messaging.runtime.addresses import is_plain_allowed, masked_address
from messaging.tls.connections import ClientTls
from messaging.wire_format.codec import MAX_MESSAGE_BYTES

STATUS_FILE = "gate_status.json"
LEAST_CAP_BYTES = math.ceil(MAX_MESSAGE_BYTES / (1 - RESERVE_FOR_HEARTBEATS))


class GateSettings(BaseModel):
    """One site's gate. `data_folder` holds ledger, site key and status; the node reads `mirror_folder`.

    `hub_ca` and `hub_certificate` (with its key) are for a hub with TLS: one on another machine must have it.
    `trust` is the trust file, whose director key signs receipts. What has no receipt after
    `receipt_timeout_s` is sent again. `bytes_per_minute` and `bytes_per_day` cap evidence and heartbeats,
    `hazard_bytes_...` hazards alone; `counts` caps the reports of a kind for each camera. With `cameras` (and
    the zones of each; an empty list: none) no other camera or zone is reported, else the first that are
    reported are learnt. With a `page_port` (0: any free one) health and metrics are answered there, on this
    machine unless `page_host` is another address of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Slug
    site_url: str
    site_credentials: Path
    hub_url: str
    hub_credentials: Path
    hub_ca: Path | None = None
    hub_certificate: Path | None = None
    trust: Path
    data_folder: Path
    mirror_folder: Path
    poll_s: float = Field(default=30.0, gt=0.0, le=3600.0)
    heartbeat_s: float = Field(default=10.0, gt=0.0)
    status_s: float = Field(default=1.0, gt=0.0)
    receipt_s: float = Field(default=5.0, gt=0.0)
    credentials_s: float = Field(default=30.0, gt=0.0)
    receipt_timeout_s: float = Field(default=60.0, gt=0.0)
    bytes_per_minute: int = Field(default=64 * 1024)
    bytes_per_day: int = Field(default=4 * 2**20)
    hazard_bytes_per_minute: int = Field(default=512 * 1024)
    hazard_bytes_per_day: int = Field(default=4 * 2**20)
    counts: dict[str, CountLimit] = Field(default_factory=dict)
    cameras: dict[Slug, tuple[Slug, ...]] | None = Field(default=None, max_length=MOST_CAMERAS)
    site_stream_bytes: int = Field(default=512 * 2**20, ge=64 * 1024)
    max_target_bytes: int = Field(default=128 * 2**20, ge=1)
    page_host: str = "127.0.0.1"
    page_port: int | None = Field(default=None, ge=0, le=65535)
    timeout_s: float = Field(default=5.0, gt=0.0)
    ack_wait_s: float = Field(default=15.0, gt=0.0)

    @field_validator("bytes_per_minute", "bytes_per_day", "hazard_bytes_per_minute", "hazard_bytes_per_day")
    @classmethod
    def _messages_can_leave(cls, cap_bytes: int) -> int:
        if cap_bytes < LEAST_CAP_BYTES:
            raise ValueError(
                f"a cap of {cap_bytes} bytes would hold messages back without end: give at least "
                f"{LEAST_CAP_BYTES}: one message more than the reserve for heartbeats"
            )
        return cap_bytes

    @field_validator("counts")
    @classmethod
    def _kinds_have_caps(cls, counts: dict[str, CountLimit]) -> dict[str, CountLimit]:
        for kind in counts.keys() - COUNT_LIMITS.keys():
            raise ValueError(f"no reports of kind {kind!r} are counted; those are: {', '.join(COUNT_LIMITS)}")
        return counts

    @model_validator(mode="after")
    def _folders_differ(self) -> Self:
        if self.mirror_folder == self.data_folder:
            raise ValueError("mirror_folder must not be data_folder: the node may read the mirror only")
        return self

    @model_validator(mode="after")
    def _hub_is_encrypted(self) -> Self:
        if (self.hub_ca is None) != (self.hub_certificate is None):
            raise ValueError("hub_ca and hub_certificate belong together: give both, as `sites add` does")
        if self.hub_ca is None and not is_plain_allowed(self.hub_url):
            raise ValueError(
                f"hub_url {masked_address(self.hub_url)} is encrypted or on another machine: set hub_ca and "
                "hub_certificate to the files hub_ca.pem and hub.pem of `blindspot sites add`"
            )
        return self

    @property
    def ledger_folder(self) -> Path:
        """Where the ledger is."""
        return self.data_folder / "ledger"

    @property
    def known_folder(self) -> Path:
        """Where is kept what may leave: learnt names, what of the count caps is spent, the last heartbeat."""
        return self.data_folder / "known"

    @property
    def evidence_limits(self) -> ByteLimits:
        """How much evidence and heartbeats may leave."""
        return ByteLimits(self.bytes_per_minute, self.bytes_per_day)

    @property
    def hazard_limits(self) -> ByteLimits:
        """How much hazards may leave."""
        return ByteLimits(self.hazard_bytes_per_minute, self.hazard_bytes_per_day)

    def site_link(self) -> Link:
        """How the gate reaches its own site's broker: the seed of its user."""
        return Link(self.site_url, f"gate-{self.site}", nkey_seed_path=str(self.site_credentials))

    def hub_link(self, credentials: Path, certificate: Path | None) -> Link:
        """How the gate reaches the hub with files of credentials: with an inbox of the site's own."""
        return Link(
            self.hub_url,
            f"gate-{self.site}",
            credentials_path=str(credentials),
            tls=None if self.hub_ca is None else ClientTls(self.hub_ca, certificate),
            inbox_prefix=inbox_prefix(self.site),
        )
