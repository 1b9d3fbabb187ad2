"""Refused credentials: every one is counted, and they are in the audit log without filling it.

The first refusal of its kind becomes an entry at once, all further ones of the same kind one entry when the
hour is over, with their number. Kinds beyond the first `MOST_KINDS` of an hour share one entry, so that an
attacker makes at most two entries for each of these and one more an hour. The attempts of all entries add up
to the counter.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from cloud.metrics import CloudMetrics
from cloud.store.access_records import AuditEntry
from cloud.store.audit_store import AuditStore

logger = logging.getLogger(__name__)

NOT_RECOGNISED = "not recognised"
"""The user of such an entry. No user's name has a space."""
WINDOW_S = 3600.0
MOST_KINDS = 20


class Interface(StrEnum):
    """Where a credential was shown."""

    HUB = "hub"
    API = "api"
    LOGIN = "login"


_ACTIONS = {Interface.HUB: "connect to the hub", Interface.API: "send a token", Interface.LOGIN: "log in"}


@dataclass(frozen=True)
class CredentialRefusal:
    """One kind of refusal. `reason` is one of few words; `object`: whom the credential names, unverified."""

    interface: Interface
    reason: str
    address: str
    object: str


_VARIOUS = CredentialRefusal(Interface.API, "various", "various", "various")
"""The kinds beyond the first of an hour."""


class RefusedCredentials:
    """Counts refusals and writes them to the audit log. `note` may be called from any thread.

    `clock`: seconds since 1970.
    """

    def __init__(self, store: AuditStore, metrics: CloudMetrics, clock: Callable[[], float]) -> None:
        self._store, self._counter, self._clock = store, metrics.credentials_refused, clock
        self._lock = threading.Lock()
        self._began = clock()
        self._further: dict[CredentialRefusal, int] = {}
        self._others = 0
        self._unwritten: deque[AuditEntry] = deque()

    def note(self, refusal: CredentialRefusal) -> None:
        """Count a refusal; does not wait for the database."""
        self._counter.labels(interface=refusal.interface, reason=refusal.reason).inc()
        with self._lock:
            self._end_window()
            if refusal in self._further:
                self._further[refusal] += 1
                return
            if len(self._further) >= MOST_KINDS:
                self._others += 1
                return
            self._further[refusal] = 0
            self._unwritten.append(self._entry(refusal, 1))
        logger.warning(
            "refused to let %s %s from %s: %s",
            *(refusal.object, _ACTIONS[refusal.interface], refusal.address, refusal.reason),
        )

    def step(self) -> None:
        """Write the entries that are due. Raises `StoreUnavailable`; they are kept then."""
        with self._lock:
            self._end_window()
        while self._unwritten:
            self._store.add(replace(self._unwritten[0]))  # a copy: what is added belongs to the database
            self._unwritten.popleft()

    def _end_window(self) -> None:
        """Begin another hour if one is over, or if the clock was set back."""
        if 0.0 <= self._clock() - self._began < WINDOW_S:
            return
        for refusal, attempts in self._further.items():
            if attempts:
                self._unwritten.append(self._entry(refusal, attempts))
        if self._others:
            entry = self._entry(_VARIOUS, self._others, action="show a credential")
            self._unwritten.append(entry)
        self._began, self._further, self._others = self._clock(), {}, 0

    def _entry(self, refusal: CredentialRefusal, attempts: int, *, action: str = "") -> AuditEntry:
        return AuditEntry(
            at_utc=int(self._clock()),
            user=NOT_RECOGNISED,
            address=refusal.address[:80],
            action=action or _ACTIONS[refusal.interface],
            object=refusal.object[:160],
            status=401,
            after={"reason": refusal.reason, "attempts": attempts},
        )
