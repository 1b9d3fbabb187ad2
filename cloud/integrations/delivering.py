"""Delivers queued changes of hazards: one thread for each integration, so that none waits for another.

Intake only writes to the queue; nothing that happens here delays it. The deliveries of an integration are
sent in order. A failure holds those behind it, and is tried again after growing waits; what the target
refuses as a message, or what is not delivered in time, becomes a dead letter. A kill between sending and
storing the outcome repeats a message, under the same id.
"""

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cloud.integration_settings import Integration, Position
from cloud.integrations.notice import Notice, notice_of
from cloud.integrations.outcome import Result, SendOutcome
from cloud.metrics import CloudMetrics
from cloud.store.delivery_records import (
    CHANGE_ID_DIGITS,
    DeliveryState,
    HazardChange,
    HazardDelivery,
    HazardFacts,
)
from cloud.store.delivery_store import DeliveryStore
from messaging.runtime.backoff import Backoff
from messaging.runtime.supervisor import Activity
from messaging.taxonomy import Condition

logger = logging.getLogger(__name__)

POLL_S = 0.5
BATCH = 100
TIDY_EVERY_S = 60.0
_HOUR_S = 3600
_STATE_AFTER = {
    Result.DELIVERED: DeliveryState.DELIVERED,
    Result.FAILED: DeliveryState.WAITING,
    Result.REFUSED: DeliveryState.DEAD,
}


@dataclass
class Deliverer:
    """Sends what is queued for one integration. `clock` is monotonic seconds."""

    settings: Integration
    send: Callable[[Notice], SendOutcome]
    store: DeliveryStore
    positions: Mapping[str, Position]
    metrics: CloudMetrics
    clock: Callable[[], float] = time.monotonic
    rng: random.Random = field(default_factory=random.Random)
    _tidied_s: float | None = None

    def run(self, activity: Activity, stop: threading.Event) -> None:
        """Deliver until `stop` is set; work of a supervised thread. Raises `StoreUnavailable`."""
        while not stop.is_set():
            for _ in range(BATCH):
                if stop.is_set() or not self.deliver_next():
                    break
            self.tidy()
            activity.succeeded()
            stop.wait(POLL_S)

    def deliver_next(self) -> bool:
        """Send the first delivery that waits, if it is due; whether it has ended and the next can follow."""
        delivery = self.store.next_waiting(self.settings.name)
        if delivery is None or self._is_held(delivery):
            return False
        outcome, seconds = self._sent(delivery)
        state = _STATE_AFTER[outcome.result]
        wait_s = self._wait_s(delivery.attempts)
        self.store.note_attempt(delivery, state, outcome=outcome.sentence, seconds=seconds, wait_s=wait_s)
        self.metrics.deliveries.labels(integration=self.settings.name, result=state).inc()
        return state is not DeliveryState.WAITING

    def test(self) -> HazardDelivery:
        """Send a test message at once, past the queue, and log it; one that fails is a dead letter."""
        now = self.store.now()
        delivery = HazardDelivery(
            integration=self.settings.name,
            change_id=secrets.token_hex(CHANGE_ID_DIGITS // 2),
            change=HazardChange.TEST,
            changed_at=now,
            hazard=_test_hazard(now),
            state=DeliveryState.DEAD,
            queued_at=now,
            due_at=now,
            attempts=1,
            ended_at=now,
        )
        outcome, seconds = self._sent(delivery)
        delivered = outcome.result is Result.DELIVERED
        state = DeliveryState.DELIVERED if delivered else DeliveryState.DEAD
        return self.store.put(replace(delivery, state=state, outcome=outcome.sentence, seconds=seconds))

    def tidy(self) -> None:
        """Once a minute: bury what waited too long or is too much, remove what ended long ago."""
        if self._tidied_s is not None and self.clock() - self._tidied_s < TIDY_EVERY_S:
            return
        name, hours = self.settings.name, self.settings.give_up_hours
        buried = self.store.bury_surplus(name) + self.store.bury_old(
            name,
            queued_before=self.store.now() - round(hours * _HOUR_S),
            outcome=f"not delivered within {hours:g} hours",
        )
        if buried:
            self.metrics.deliveries.labels(integration=name, result=DeliveryState.DEAD).inc(buried)
            logger.warning("integration %s: %d deliveries became dead letters", name, buried)
        self.store.trim(name)
        self._tidied_s = self.clock()

    def _sent(self, delivery: HazardDelivery) -> tuple[SendOutcome, float]:
        """Send once; what came of it, and the seconds that it took."""
        started_s = self.clock()
        outcome = self.send(notice_of(delivery, self.positions))
        seconds = self.clock() - started_s
        self.metrics.delivery_s.labels(integration=self.settings.name).observe(seconds)
        if outcome.result is not Result.DELIVERED:
            logger.warning("integration %s: %s", self.settings.name, outcome.sentence)
        return outcome, seconds

    def _is_held(self, delivery: HazardDelivery) -> bool:
        """Whether its next attempt is later; not by more than the longest wait, if the clock was set back."""
        wait_s = delivery.due_at - self.store.now()
        return 0 < wait_s <= 2 * self.settings.longest_wait_s

    def _wait_s(self, attempts: int) -> float:
        first_s, longest_s = self.settings.first_wait_s, self.settings.longest_wait_s
        return Backoff(first_s, longest_s, self.rng, attempts).next_s()


def _test_hazard(now_utc: int) -> HazardFacts:
    return HazardFacts(
        site="test",
        event="0" * 26,
        camera="test",
        class_name="test",
        severity=1,
        confidence=0.0,
        condition=Condition().key,
        zone=None,
        started_at_utc=now_utc,
        at_utc=now_utc,
    )
