"""Quarantine by rule: of a site that signs too many messages which cannot be true nothing more is learned.

Counted are counts and prototypes beyond what is possible, which an honest site does not send. What is refused
for its form, class, model or time is not: a site of another version, or with a wrong clock, is no liar.
Whoever lacks a site's key has no effect on its counts. Only a person releases a site.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cloud.store.access_records import AuditEntry
from cloud.store.report_store import ReportStore

logger = logging.getLogger(__name__)

WINDOW_S = 86_400.0
LEAST_IMPOSSIBLE = 20
LARGEST_SHARE = 0.2
BY_RULE = "the cloud"
_BUCKET_S = 3600.0


@dataclass(frozen=True)
class SiteCounts:
    """Signed messages of a site within the window, and those of them that state what cannot be."""

    site: str
    messages: int
    impossible: int

    @property
    def over(self) -> bool:
        """Whether the site must be quarantined."""
        return self.impossible >= LEAST_IMPOSSIBLE and self.impossible > LARGEST_SHARE * self.messages


@dataclass
class ImpossibleReports:
    """Counts of each site in the last day, in hours; `clock` is monotonic seconds. Safe between threads."""

    clock: Callable[[], float]
    _hours: dict[str, deque[tuple[float, int, int]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, site: str, messages: int, impossible: int) -> None:
        """Count signed messages of an enrolled site."""
        began = self.clock() // _BUCKET_S * _BUCKET_S
        with self._lock:
            hours = self._hours.setdefault(site, deque())
            if hours and hours[-1][0] == began:
                _, before, impossible_before = hours.pop()
                messages, impossible = messages + before, impossible + impossible_before
            hours.append((began, messages, impossible))

    def over(self) -> list[SiteCounts]:
        """The sites that must be quarantined; their counts start again at zero."""
        oldest = self.clock() - WINDOW_S
        found = []
        with self._lock:
            for site, hours in list(self._hours.items()):
                while hours and hours[0][0] + _BUCKET_S <= oldest:
                    hours.popleft()
                counts = SiteCounts(site, sum(one[1] for one in hours), sum(one[2] for one in hours))
                if counts.over:
                    found.append(counts)
                if counts.over or not hours:
                    del self._hours[site]
        return found


@dataclass
class AutomaticQuarantine:
    """Quarantines sites and enters it in the audit log. `clock`: seconds since 1970."""

    reports: ImpossibleReports
    store: ReportStore
    clock: Callable[[], float]
    _due: list[SiteCounts] = field(default_factory=list)

    def step(self) -> None:
        """Quarantine the sites that are over. Raises `StoreUnavailable`; the next call tries again."""
        self._due += self.reports.over()
        while self._due:
            self._quarantine(self._due[0])
            del self._due[0]

    def _quarantine(self, counts: SiteCounts) -> None:
        site = self.store.site(counts.site)
        if site.quarantined or site.revoked:
            return
        entry = AuditEntry(
            at_utc=int(self.clock()),
            user=BY_RULE,
            address="",
            action="quarantine by rule",
            object=f"site {counts.site}",
            status=200,
            before={"quarantined": False},
            after={"quarantined": True, "messages": counts.messages, "impossible": counts.impossible},
        )
        self.store.quarantine_site(counts.site, True, entry)
        logger.warning(
            "site %s is quarantined: %d of its %d messages of the last day state what cannot be; look at "
            "`blindspot deadletters list`, then run `blindspot sites release %s` or `revoke`",
            *(counts.site, counts.impossible, counts.messages, counts.site),
        )
