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


class RolloutSiteResource(Resource):
    """State of one site in a rollout."""

    site: str
    group: str = ""
    state: str
    reason: str = ""


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


class RolloutRequest(Resource):
    """Roll a released model out to all sites."""

    digest: str
