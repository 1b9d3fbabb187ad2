"""Asks a site about a hazard that a person says its detector missed; the answer becomes evidence there.

A site can only search what it still has, so a request that it cannot answer is refused here with a sentence,
and one that it does not answer soon expires.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cloud.errors import BadRequest, NotKnown, NotNow
from cloud.store.history.request_store import RequestStore, VerdictRequestRow
from cloud.store.report_store import ReportStore
from messaging.errors import WireError
from messaging.taxonomy import Taxonomy
from messaging.trust.verdict_requests import OpenRequests, VerdictRequest

VALID_S = 900
OLDEST_S = 3600
"""No site keeps frames for longer (`evidence.kept_frames.minutes` is at most 60)."""
AHEAD_S = 60


@dataclass(frozen=True)
class VerdictRequests:
    """The verdict requests of one cloud.

    `publish` signs and sends all open requests of a site. A site is online if its last heartbeat is at most
    `online_s` old.
    """

    reports: ReportStore
    requests: RequestStore
    taxonomy: Callable[[], Taxonomy]
    publish: Callable[[OpenRequests], None]
    online_s: float

    def ask(
        self, site: str, camera: str, class_name: str, *, at_utc: int | None, by: str
    ) -> VerdictRequestRow:
        """Ask a site whether a hazard was missed at about a time (None: now).

        Raises:
            NotKnown: site or camera.
            BadRequest: the class, or the time.
            NotNow: the site is revoked, offline, or was asked too often.
            WireUnavailable: the hub does not answer; nothing was asked.
        """
        at_utc = self._time(at_utc)
        self._check_site(site, camera)
        if class_name not in (known := self.taxonomy().names):
            raise BadRequest(f"{class_name} is no hazard class of this deployment ({', '.join(known)})")
        asked = self.requests.add(site, camera, class_name, at_utc=at_utc, by=by, valid_s=VALID_S)
        try:
            self._publish(site)
        except WireError:
            self.requests.withdraw(asked.number)
            raise
        return asked

    def _publish(self, site: str) -> None:
        waiting = tuple(
            VerdictRequest(
                number=row.number,
                camera=row.camera,
                class_name=row.class_name,
                at_utc=row.at_utc,
                expires_at_utc=row.expires_at,
            )
            for row in self.requests.open(site)
        )
        self.publish(OpenRequests(site=site, requests=waiting))

    def _time(self, at_utc: int | None) -> int:
        now = self.reports.now()
        if at_utc is None:
            return now
        if at_utc > now + AHEAD_S:
            raise BadRequest(f"the time is {at_utc - now} s in the future; say when the hazard was seen")
        if now - at_utc > OLDEST_S:
            raise BadRequest(
                f"the time is {(now - at_utc) / 60:.0f} minutes ago; a site keeps frames for at most "
                f"{OLDEST_S // 60} minutes"
            )
        return at_utc

    def _check_site(self, site: str, camera: str) -> None:
        if self.reports.site(site).revoked:
            raise NotNow(f"site {site} is revoked; `blindspot sites add {site}` enrols it again")
        beat = next(iter(self.reports.heartbeats([site])), None)
        now = self.reports.now()
        if beat is None or now - beat.received_at > self.online_s:
            seen = "has never reported" if beat is None else f"last reported {now - beat.received_at} s ago"
            raise NotNow(
                f"site {site} is offline ({seen}), and what it keeps is some minutes old at most; ask while "
                "it is online"
            )
        cameras = [one.camera for one in beat.heartbeat.cameras]
        if camera not in cameras:
            raise NotKnown(f"site {site} has no camera {camera} (it has {', '.join(cameras) or 'none'})")
