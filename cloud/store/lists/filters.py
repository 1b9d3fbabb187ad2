"""What lists are limited to. A field that is None limits nothing; times are seconds since 1970 (UTC).

`visible` is never part of a filter: which sites a caller may see is not the caller's choice.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le, MaxLen

from cloud.store.delivery_records import DeliveryState, HazardStatus
from cloud.store.records import CampaignState, ModeStatus
from messaging.releases import Role
from messaging.reports import ErrorKind, EvidenceSource, HazardState
from messaging.taxonomy import Light, Weather

Name = Annotated[str | None, MaxLen(160)]
Time = Annotated[int | None, Ge(0), Le(2**53)]


@dataclass(frozen=True)
class SiteFilter:
    """Sites of a group (empty: of none); online, revoked or quarantined ones, or those that are not."""

    group: Name = None
    online: bool | None = None
    revoked: bool | None = None
    quarantined: bool | None = None


@dataclass(frozen=True)
class CameraFilter:
    """Cameras of a site or a group of sites, with this light and weather, connected or not."""

    site: Name = None
    group: Name = None
    light: Light | None = None
    weather: Weather | None = None
    connected: bool | None = None


@dataclass(frozen=True)
class HazardFilter:
    """Hazards that started in a period, `until` not included.

    `severity` is the least, `state` what the site reports, `status` what operators have made of it.
    """

    site: Name = None
    group: Name = None
    camera: Name = None
    class_name: Name = None
    severity: Annotated[int | None, Ge(1), Le(5)] = None
    state: HazardState | None = None
    status: HazardStatus | None = None
    since: Time = None
    until: Time = None


@dataclass(frozen=True)
class MisdetectionFilter:
    """Misdetections of a period, `until` not included; `condition` is written `night-rain`."""

    site: Name = None
    group: Name = None
    camera: Name = None
    class_name: Name = None
    condition: Annotated[str | None, MaxLen(80)] = None
    kind: ErrorKind | None = None
    evidence: EvidenceSource | None = None
    since: Time = None
    until: Time = None


@dataclass(frozen=True)
class RequestFilter:
    """Verdict requests to a site or a group of sites, about a camera, about a class."""

    site: Name = None
    group: Name = None
    camera: Name = None
    class_name: Name = None


@dataclass(frozen=True)
class ModeFilter:
    """Failure modes with evidence from a site, from a group of sites, or of a camera of the site."""

    status: ModeStatus | None = None
    class_name: Name = None
    condition: Annotated[str | None, MaxLen(80)] = None
    kind: ErrorKind | None = None
    site: Name = None
    group: Name = None
    camera: Name = None


@dataclass(frozen=True)
class CampaignFilter:
    """Campaigns for a failure mode (its id) that were made in a period, `until` not included."""

    state: CampaignState | None = None
    mode: Name = None
    since: Time = None
    until: Time = None


@dataclass(frozen=True)
class ImageFilter:
    """Images of a failure mode (its id), kept or refused, refused for a reason.

    `label` is the class of one of the boxes; only kept images have boxes.
    """

    mode: Name = None
    kept: bool | None = None
    reason: Name = None
    label: Name = None


@dataclass(frozen=True)
class ModelFilter:
    """Releases of a role and a channel."""

    role: Role | None = None
    channel: Annotated[str | None, MaxLen(10)] = None


@dataclass(frozen=True)
class DeliveryFilter:
    """Deliveries of an integration, in a state, that were queued in a period, `until` not included.

    Or of the hazards of a site, and of one hazard by its `event`.
    """

    integration: Name = None
    state: DeliveryState | None = None
    site: Name = None
    event: Name = None
    since: Time = None
    until: Time = None


@dataclass(frozen=True)
class AuditFilter:
    """Changes that a user requested, of an object, in a period, `until` not included."""

    user: Name = None
    object: Name = None
    since: Time = None
    until: Time = None
