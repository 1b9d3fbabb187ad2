"""What is sent to other systems: one change of one hazard, with the position of its camera."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cloud.integration_settings import Position
from cloud.store.delivery_records import HazardChange, HazardDelivery, HazardFacts

_PHRASES = {
    HazardChange.OPENED: "detected",
    HazardChange.ACKNOWLEDGED: "acknowledged by an operator",
    HazardChange.RESOLVED: "resolved by an operator",
    HazardChange.FALSE_ALARM: "was a false alarm",
    HazardChange.CLOSED: "no longer detected",
    HazardChange.TEST: "(a test, no hazard)",
}


@dataclass(frozen=True)
class Notice:
    """One change of one hazard; `id` is the same whenever it is sent. `position`: of the camera, if known."""

    id: str
    change: HazardChange
    changed_at: int
    hazard: HazardFacts
    position: Position | None = None

    @property
    def headline(self) -> str:
        """One sentence for people."""
        what = self.hazard.class_name.replace("_", " ").replace("-", " ")
        return f"{what.capitalize()} {_PHRASES[self.change]}: camera {self.place}"

    @property
    def place(self) -> str:
        """Where the hazard is, in words."""
        zone = f", zone {self.hazard.zone}" if self.hazard.zone else ""
        return f"{self.hazard.camera} of site {self.hazard.site}{zone}"


def notice_of(delivery: HazardDelivery, positions: Mapping[str, Position]) -> Notice:
    """The notice of a delivery; a camera without a position has that of its site."""
    hazard = delivery.hazard
    position = positions.get(f"{hazard.site}/{hazard.camera}", positions.get(hazard.site))
    return Notice(delivery.change_id, delivery.change, delivery.changed_at, hazard, position)


def rfc3339(at_utc: int) -> str:
    """A time in seconds since 1970 as `2026-11-27T08:00:00+00:00` (RFC 3339, ISO 8601)."""
    return datetime.fromtimestamp(at_utc, UTC).isoformat()
