"""The integrations of a cloud: starts their threads, tests them, and gives what the API shows of them."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from cloud.dry_runs import before_change
from cloud.errors import NotKnown
from cloud.integration_settings import Integration, MqttSettings
from cloud.integrations.delivering import Deliverer
from cloud.integrations.mqtt_client import MqttAccess
from cloud.integrations.sending import sender_of
from cloud.metrics import CloudMetrics
from cloud.settings import CloudSettings
from cloud.store.delivery_records import HazardDelivery
from cloud.store.delivery_store import DeliveryStore, DeliveryTotals
from cloud.store.hazard_changes import Subscription
from cloud.store.lists.filters import DeliveryFilter
from messaging.nats.mqtt_account import READER
from messaging.runtime.supervisor import Supervisor

SILENCE_LIMIT_S = 300.0
STOP_S = 0.3


@dataclass(frozen=True)
class IntegrationState:
    """One integration with its totals; `fault`: why the first delivery that waits has failed."""

    settings: Integration
    target: str
    totals: DeliveryTotals
    fault: str | None


class Integrations:
    """The configured integrations of one cloud. Safe to share between threads."""

    def __init__(
        self,
        settings: CloudSettings,
        store: DeliveryStore,
        metrics: CloudMetrics,
        mqtt: MqttAccess | None = None,
    ) -> None:
        self._store, self._metrics, self._mqtt = store, metrics, mqtt
        self._deliverers = {
            one.name: Deliverer(one, sender_of(one, time.time, mqtt), store, settings.positions, metrics)
            for one in settings.integrations
        }
        self._supervisor: Supervisor | None = None

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Deliver in threads of their own until the context ends.

        A request that hangs then is left behind; its message is sent again after the next start.
        """
        stop = threading.Event()
        supervisor = Supervisor(stop, on_failure=self._metrics.note_task_failure)
        self._store.bury_unknown(list(self._deliverers))
        for name, one in self._deliverers.items():
            supervisor.start(
                f"integration {name}", partial(one.run, stop=stop), silence_limit_s=SILENCE_LIMIT_S
            )
        self._supervisor = supervisor
        try:
            yield
        finally:
            stop.set()
            supervisor.join(STOP_S)

    def faults(self) -> tuple[str, ...]:
        """Why threads do not do their work; a target that does not answer is no fault of this cloud."""
        states = self._supervisor.states() if self._supervisor is not None else ()
        return tuple(state.fault for state in states if state.fault is not None)

    def states(self) -> list[IntegrationState]:
        """All integrations in the order of the configuration."""
        totals = self._store.totals()
        return [
            IntegrationState(
                one.settings,
                self._target(one.settings),
                totals.get(name, DeliveryTotals()),
                self._fault(name),
            )
            for name, one in self._deliverers.items()
        ]

    def test(self, name: str) -> HazardDelivery:
        """Send a test message and log it. Raises `NotKnown`."""
        if name not in self._deliverers:
            known = ", ".join(self._deliverers) or "none is configured"
            raise NotKnown(f"integration {name[:40]!r} is not known; known: {known}")
        before_change()
        return self._deliverers[name].test()

    def delivery(self, delivery: int) -> HazardDelivery:
        """One delivery by its id. Raises `NotKnown`."""
        return self._store.get(delivery)

    def replay(self, delivery: int) -> HazardDelivery:
        """Let a dead letter wait to be sent again. Raises `NotKnown`, `NotNow`."""
        return self._store.replay(delivery)

    def deliveries(
        self,
        wanted: DeliveryFilter,
        *,
        before: int | None = None,
        limit: int,
    ) -> Sequence[HazardDelivery]:
        """The log, latest first; `before` is the id of the last one seen."""
        return self._store.page(wanted, before=before, limit=limit)

    def set_gauges(self) -> None:
        """Set the length of each queue. Raises `StoreUnavailable`."""
        totals = self._store.totals()
        for name in self._deliverers:
            waiting = totals.get(name, DeliveryTotals()).waiting
            self._metrics.deliveries_waiting.labels(integration=name).set(waiting)

    def _target(self, settings: Integration) -> str:
        if not isinstance(settings, MqttSettings):
            return settings.target
        if self._mqtt is None:
            return f"topic {settings.topic}/#"
        return (
            f"topic {settings.topic}/# on port {self._mqtt.port}, user {READER}, password in "
            f"{self._mqtt.reader_password_file}"
        )

    def _fault(self, name: str) -> str | None:
        first = self._store.next_waiting(name)
        return first.outcome if first is not None and first.outcome else None


def subscriptions_of(settings: CloudSettings) -> list[Subscription]:
    """Which hazards the configured integrations want."""
    return [Subscription(one.name, one.sites, one.classes, one.min_severity) for one in settings.integrations]
