"""Downgrade tickets: the release key's permission for sites to install a release below their version floor.

A ticket is part of the signed targets metadata, beside the release that it names. So it is as hard to forge
and to replay as a release is, and the director key, which signs orders, cannot make one. Nothing here reads a
clock or a disk.
"""

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from messaging.errors import TrustError
from messaging.fields import Slug
from messaging.reports import SwapReason

TICKET_FIELD = "ticket"
MAX_SITES = 1000


class DowngradeTicket(BaseModel):
    """Permission to install one release below the version floor.

    Attributes:
        number: counts up over all tickets; a site uses each at most once, and no older one after it.
        sites: the sites that may use it; empty means every site.
        expires_at_utc: the end of the permission, seconds since 1970.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(ge=1)
    sites: tuple[Slug, ...] = Field(default=(), max_length=MAX_SITES)
    expires_at_utc: int = Field(ge=0)


def read_ticket(value: object, what: str) -> DowngradeTicket | None:
    """The ticket in a release's metadata, None without one. Raises `TrustError` for anything else."""
    if value is None:
        return None
    try:
        return DowngradeTicket.model_validate(value)
    except ValidationError as error:
        raise TrustError(f"{what} has a ticket that this program cannot read: {error}") from None


def check_ticket(ticket: DowngradeTicket | None, site: str, last_used: int, now_utc: int) -> int:
    """The number of a ticket that this site may use now; `last_used` is the highest number it has used.

    Raises `TrustError` with the reason `older_version`: without a ticket the release is just that.
    """
    if ticket is None:
        fault = "an older version needs a ticket signed with the release key"
    elif ticket.number <= last_used:
        fault = f"its downgrade ticket {ticket.number} was used, the last one was {last_used}"
    elif ticket.sites and site not in ticket.sites:
        fault = f"its downgrade ticket {ticket.number} is for other sites"
    elif now_utc >= ticket.expires_at_utc:
        fault = f"its downgrade ticket {ticket.number} has expired"
    else:
        return ticket.number
    raise TrustError(fault, SwapReason.OLDER_VERSION)
