"""The privacy budget of a camera: an account of its releases that removes none too early.

The accountant adds up every release of the last `window_days` (Gaussian composition, no credit for
sub-sampling or for appearances being disjoint) and writes the spending to disk *before* the vector exists: a
crash may waste budget, never overdraw it. Days are those in which the node ran, by a clock that nobody sets,
so that no change of the system's clock ends an entry; while that clock is not plausible, nothing is released.
An account that is missing, or cannot be read, counts as spent.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.errors import BudgetSpent
from edge.privacy.accounts import DAY_S, Account, Spending, account_file
from edge.privacy.clock_watch import ClockWatch
from edge.privacy.gaussian_mechanism import compose, epsilon_of, mu_of
from edge.settings import PrivacySettings
from edge.vision.prototypes import largest_sigma
from messaging.errors import FileFault
from messaging.reports import AccountState, PrivacyBudget

logger = logging.getLogger(__name__)

# The length that the mean of a class's track vectors is assumed to have, where each vector has length 1.
# Public: the shortest of the means on drawn footage had 0.61 (decision 0017).
ASSUMED_LENGTH = 0.5
WRITE_EVERY_S = 600.0


@dataclass(frozen=True)
class AccountStatement:
    """Epsilon spent in the window, the whole budget of an account that cannot be read; and what is left."""

    epsilon_spent: float
    budget: PrivacyBudget


class PrivacyAccountant:
    """The account of one camera, in one small JSON file. Thread-safe; one process owns the file."""

    def __init__(
        self,
        path: Path,
        settings: PrivacySettings,
        *,
        utc: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`utc` may be set while the node runs, `clock` never is; `begin_accounts` has written the file."""
        self._path, self._settings, self._utc, self._clock = path, settings, utc, clock
        self._file = account_file(path)
        self._lock = threading.Lock()
        self._release_mu = mu_of(settings.epsilon_per_release, settings.delta)
        self._budget_mu = mu_of(settings.epsilon_per_camera, settings.delta)
        self._watch: ClockWatch | None = None
        self._written = self._counted = clock()
        self._ran_s = 0.0

    @property
    def settings(self) -> PrivacySettings:
        """The promise that this account keeps."""
        return self._settings

    def tracks_needed(self, width: int) -> int:
        """Tracks (in tens) that the first release of a mean of this embedding width needs."""
        sigma = largest_sigma(ASSUMED_LENGTH, self._settings.least_cosine, width)
        for_signal = 2.0 / (sigma * self._release_mu)
        return 10 * math.ceil(max(for_signal, self._settings.minimum_tracks) / 10)

    def epsilon_spent(self) -> float:
        """Epsilon of all releases in the window together; the whole budget when the file cannot be read."""
        return (
            self._settings.epsilon_per_camera if (found := self._now()) is None else self._epsilon_of(found)
        )

    def statement(self) -> AccountStatement:
        """What is spent and what is left, from one reading of the account: as a heartbeat states it."""
        budget, entries = self._settings.epsilon_per_camera, self._now()
        spent = budget if entries is None else self._epsilon_of(entries)
        left = PrivacyBudget(
            epsilon=budget,
            window_days=self._settings.window_days,
            epsilon_left=max(0.0, budget - spent),
            account=self._state(entries),
        )
        return AccountStatement(spent, left)

    def _now(self) -> list[Spending] | None:
        """The entries that count; None when the file cannot be read or written, which is logged."""
        with self._lock:
            try:
                entries = self._in_window()
                self._clock_fault()
                if self._clock() - self._written > WRITE_EVERY_S:
                    self._write(entries)
            except BudgetSpent as fault:
                logger.warning("%s", fault)
                return None
            return entries

    def _state(self, entries: list[Spending] | None) -> AccountState:
        if entries is None or any(one.lost for one in entries):
            return AccountState.LOST
        return AccountState.OPEN if self._fits(_total(*entries), self._release_mu) else AccountState.SPENT

    def _fits(self, spent_mu: float, mu: float) -> bool:
        """Whether the budget has room for a release of mu beside those that count."""
        return compose([spent_mu, mu]) <= self._budget_mu * (1 + 1e-9)

    def spend(self, class_name: str) -> tuple[float, float]:
        """Pay for one release, on disk when this returns; gives its mu and the epsilon spent in all.

        Raises:
            BudgetSpent: the budget or today's part of it does not allow it, the clock is not plausible, or
                the file cannot be read or written.
        """
        with self._lock:
            entries = self._in_window()
            fault = self._clock_fault()
            if fault is not None:
                raise BudgetSpent(fault)
            new = Spending(at_utc=self._utc(), mu=self._release_mu, ran_s=self._ran_s, class_name=class_name)
            if not self._fits(_total(*entries), new.mu):
                raise BudgetSpent(
                    f"camera account {self._path.stem} has spent epsilon {self._epsilon_of(entries):.2f} of "
                    f"{self._settings.epsilon_per_camera:g} in {self._settings.window_days:g} days; wait, "
                    "or raise it"
                )
            self._keep_pace(entries, new)
            self._write([*entries, new])
            return self._release_mu, self._epsilon_of([*entries, new])

    def _keep_pace(self, entries: list[Spending], new: Spending) -> None:
        """A day spends a part of the budget only. Raises `BudgetSpent`."""
        today = [s for s in entries if new.ran_s - s.ran_s < DAY_S]
        repeated = any(s.class_name == new.class_name for s in entries)
        part = self._settings.repeats_per_day if repeated else self._settings.part_per_day
        if today and _total(*today, new) > math.sqrt(part) * self._budget_mu * (1 + 1e-9):
            raise BudgetSpent(
                f"camera account {self._path.stem} has spent today's part of its budget for "
                f"{'another release of ' if repeated else ''}{new.class_name}; wait a day"
            )

    def _in_window(self) -> list[Spending]:
        """The entries that count, after moving the account's own time on. Raises `BudgetSpent`."""
        account = self._read()
        if self._watch is None:
            self._ran_s = account.ran_s
            self._watch = ClockWatch(account.seen_utc, utc=self._utc, clock=self._clock)
        now = self._clock()
        self._ran_s, self._counted = self._ran_s + now - self._counted, now
        since = self._ran_s - self._settings.window_days * DAY_S
        return [s for s in account.spendings if s.ran_s > since]

    def _clock_fault(self) -> str | None:
        return None if self._watch is None else self._watch.fault(self._path.stem)

    def _epsilon_of(self, entries: list[Spending]) -> float:
        return epsilon_of(_total(*entries), self._settings.delta)

    def _read(self) -> Account:
        try:
            account = self._file.read()
        except FileFault as fault:
            raise BudgetSpent(
                f"privacy account {self._path} cannot be read, so its budget counts as spent; remove it and "
                f"restart the node, which then releases nothing for {self._settings.window_days:g} days"
            ) from fault
        if account is None:
            raise BudgetSpent(
                f"privacy account {self._path} is missing, so its budget counts as spent; restart the node, "
                f"which then releases nothing for {self._settings.window_days:g} days"
            )
        return account

    def _write(self, entries: list[Spending]) -> None:
        try:
            self._file.write(
                Account(version=1, spendings=tuple(entries), ran_s=self._ran_s, seen_utc=self._utc())
            )
        except OSError as fault:
            raise BudgetSpent(
                f"privacy account {self._path} cannot be written ({fault.strerror}), so nothing is released"
            ) from fault
        self._written = self._clock()


def _total(*entries: Spending) -> float:
    """mu of all entries together."""
    return compose([s.mu for s in entries])
