"""A gate between a site and a hub in memory, against a model of what may leave and what may be forgotten.

Links break before and after the hub has a message, the gate is killed, the hub loses its disk, the cloud
commits in any order and is killed before it acknowledges, and receipts are forged, in any order.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from cloud.store.lane_progress import Arrival, LaneProgress, advanced
from edge.gate.ledger_entries import verify
from edge.gate.uplink import DURABLE
from messaging.blobs import digest_of
from messaging.bus import PublishAck
from messaging.errors import WireUnavailable
from messaging.nats.subjects import FLEET_REPORTS, RECEIPTS, SITE_STREAMS, report_subject
from messaging.receipts import HEADER, LaneReceipt, Receipt, report_header
from messaging.reports import Report
from messaging.trust.site_signatures import signed_receipt
from messaging.wire_format.codec import Lane
from tests.support.edge.gate_stage import GateStage, outgoing_id, report_id, subject_and_data
from tests.support.messaging.samples import HAZARD, MISDETECTION
from tests.support.messaging.site_keys import director_key
from tests.support.profiles import machine_settings

LANES = (Lane.HAZARDS, Lane.EVIDENCE)
REPORTS: Mapping[Lane, Report] = {Lane.HAZARDS: HAZARD, Lane.EVIDENCE: MISDETECTION}
QUIET_ROUNDS, QUIET_S = 40, 1800.0
"""Longer than the hub knows ids: a message that was sent again states what is settled by then."""
LOST = "deleted at the site that are not committed|never arrive"
T = TypeVar("T")


class GateMachine(RuleBasedStateMachine):
    """The model: the report of each sequence of the site's lanes, and the ids that the cloud has."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="blindspot-gate-"))
        self.stage = GateStage(self.folder)
        self._do(self.stage.prepare())
        self.reports: dict[Lane, dict[int, str | None]] = {lane: {} for lane in LANES}
        self.number = 0
        self.committed: set[str] = set()
        self.progress: dict[Lane, LaneProgress] = {}
        self.hubs = 1
        self.highest = 0

    def _do(self, act: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(act)

    def _try(self, act: Coroutine[Any, Any, object]) -> None:
        with suppress(WireUnavailable):
            self._do(act)

    # -- what happens --------------------------------------------------------------------------------

    @rule(lane=st.sampled_from(LANES), count=st.integers(1, 4))
    def report(self, lane: Lane, count: int) -> None:
        for _ in range(count):
            self.number += 1
            subject, data = subject_and_data(self.number, REPORTS[lane])
            ack = self._do(self.stage.site.publish(subject, data, message_id=report_id(self.number)))
            self.reports[lane][ack.sequence] = outgoing_id(self.number)

    @rule(lane=st.sampled_from(LANES), pixels=st.binary(min_size=1, max_size=40))
    def hostile_message(self, lane: Lane, pixels: bytes) -> None:
        """The node is taken over, and publishes what no schema admits."""
        self.number += 1
        kind = "hazard" if lane is Lane.HAZARDS else "misdetection"
        subject = report_subject("s1", kind, report_id(self.number))
        ack = self._do(self.stage.site.publish(subject, pixels, message_id=report_id(self.number)))
        self.reports[lane][ack.sequence] = None

    @rule(lane=st.sampled_from(LANES), taken=st.integers(0, 6))
    def forward(self, lane: Lane, taken: int) -> None:
        """The link breaks after so many messages."""
        self.stage.hub.messages_left = taken
        self._try(self.stage.uplink.forward(lane))
        self.stage.hub.messages_left = 10**9

    @rule(lane=st.sampled_from(LANES))
    def forward_without_replies(self, lane: Lane) -> None:
        """The hub has the messages, and its replies are lost."""
        with self._replies_lost():
            self._try(self.stage.uplink.forward(lane))

    @rule()
    def send_again(self) -> None:
        self._try(self.stage.uplink.send_again())

    @rule(count=st.integers(1, 20), backwards=st.booleans(), acknowledges=st.booleans())
    def commit(self, count: int, backwards: bool, acknowledges: bool) -> None:
        """The cloud stores what the hub has; without the acknowledgement it comes again."""
        deliveries = list(self._do(self.stage.hub.pull(FLEET_REPORTS, "cloud", batch=count, timeout_s=0.0)))
        for delivery in reversed(deliveries) if backwards else deliveries:
            header = report_header(delivery.headers[HEADER].rpartition(" ")[0])
            entry = self.stage.ledger.entry(header.ledger.n)
            assert entry is not None, "a message left that the ledger does not list"
            assert entry.position == header.ledger
            assert (entry.id, entry.sha256) == (delivery.message_id, digest_of(delivery.data))
            lane = Lane.HAZARDS if ".hazard" in delivery.subject else Lane.EVIDENCE
            assert delivery.message_id in self.reports[lane].values(), "what is no report left the site"
            self.committed.add(delivery.message_id)
            before = self.progress.get(lane) or LaneProgress("s1", lane, header.place.stream)
            self.progress[lane] = advanced(before, [Arrival("s1", lane, header.place, header.ledger)])
            if acknowledges:
                self._do(delivery.acknowledge())

    @rule()
    def receipt(self) -> None:
        lanes = {lane: progress.receipt for lane, progress in self.progress.items() if progress.through}
        self._take(lanes)

    @rule(lane=st.sampled_from(LANES), beyond=st.booleans())
    def forged_receipt(self, lane: Lane, beyond: bool) -> None:
        """A receipt for all that the site has: with another ledger entry, or for a message more."""
        state, head = self._do(self.stage.site.stream_state(SITE_STREAMS[lane])), self.stage.ledger.head
        if beyond:
            claimed = LaneReceipt(state.identity, state.last_sequence + 1, max(1, head.n), head.hash)
        else:
            claimed = LaneReceipt(state.identity, state.last_sequence, max(1, head.n), "0" * 64)
        self._take({lane: claimed})

    @rule(seconds=st.sampled_from((0.1, 1.0, 20.0, 70.0, 300.0)))
    def wait(self, seconds: float) -> None:
        self.stage.now_s += seconds

    @rule()
    def kill_gate(self) -> None:
        self.stage.restart()

    @rule()
    def lose_hub(self) -> None:
        """The hub's disk is lost, with all that was not read and its receipts."""
        self._do(self.stage.replace_hub())
        self.hubs += 1

    @rule(lane=st.sampled_from(LANES))
    def lose_hub_that_has_acknowledged(self, lane: Lane) -> None:
        self._do(self.stage.uplink.forward(lane))
        self.lose_hub()

    def _take(self, lanes: Mapping[str, LaneReceipt]) -> None:
        """The receipt is at the hub, and the gate takes it."""
        receipt = Receipt("s1", "database", f"hub{self.hubs}", dict(lanes))
        self._do(self.stage.hub.put_latest(RECEIPTS, "s1", signed_receipt(receipt, director_key())))
        self._do(self.stage.receipts.take())

    @contextmanager
    def _replies_lost(self) -> Iterator[None]:
        hub = self.stage.hub
        store = hub.publish

        async def publish(
            subject: str, data: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
        ) -> PublishAck:
            await store(subject, data, message_id=message_id, headers=headers)
            raise WireUnavailable("the reply was lost")

        hub.publish = publish  # type: ignore[method-assign]  # of this object
        try:
            yield
        finally:
            del hub.publish

    # -- what must hold ------------------------------------------------------------------------------

    @invariant()
    def what_the_site_has_deleted_is_committed(self) -> None:
        for lane, reports in self.reports.items():
            state = self._do(self.stage.site.stream_state(SITE_STREAMS[lane]))
            gone = {name for n, name in reports.items() if n < state.first_sequence and name is not None}
            assert gone <= self.committed, "reports were deleted at the site that are not committed"

    @invariant()
    def the_ledger_only_grows(self) -> None:
        head = self.stage.ledger.head.n
        assert head >= self.highest
        self.highest = head

    def teardown(self) -> None:
        try:
            self._all_arrives_in_the_end()
            self.stage.ledger.close()
            if self.committed:
                assert verify(self.folder / "ledger").head.n == self.highest
        finally:
            self.stage.ledger.close()
            self.loop.close()
            shutil.rmtree(self.folder)

    def _all_arrives_in_the_end(self) -> None:
        wanted = {name for reports in self.reports.values() for name in reports.values() if name is not None}
        for _ in range(QUIET_ROUNDS):
            if wanted == self.committed and not any(map(self._kept, LANES)):
                break
            self.stage.now_s += QUIET_S
            for lane in LANES:
                self._do(self.stage.uplink.forward(lane))
            self.commit(1000, backwards=False, acknowledges=True)
            self.receipt()
            self.send_again()
        self.the_ledger_only_grows()
        assert wanted == self.committed, "reports never arrive"
        assert not any(map(self._kept, LANES)), "the site keeps what is committed for ever"

    def _kept(self, lane: Lane) -> int:
        return self._do(self.stage.kept(lane))


class AcknowledgementsAreReceipts(GateMachine):
    """A broken gate: it forgets what the hub has acknowledged."""

    @rule()
    def forget(self) -> None:
        for lane in LANES:
            stream = SITE_STREAMS[lane]
            self._do(self.stage.site.pull(stream, DURABLE, batch=1, timeout_s=0.0))
            through = self._do(self.stage.site.acknowledged_through(stream, DURABLE))
            self._do(self.stage.site.purge_through(stream, through))


class BelievesEveryReceipt(GateMachine):
    """A broken gate: it does not compare a receipt with its ledger."""

    def _take(self, lanes: Mapping[str, LaneReceipt]) -> None:
        async def believe(lane: Lane, claimed: LaneReceipt, state: object) -> None:
            pass

        self.stage.receipts._check = believe  # type: ignore[method-assign,assignment]  # of this object
        super()._take(lanes)


class NeverSendsAgain(GateMachine):
    """A broken gate: what it sent once it never sends again."""

    def send_again(self) -> None:
        pass


class PassesBytesOn(GateMachine):
    """A broken gate: it sends what the ledger does not list."""

    @rule()
    def smuggle(self) -> None:
        header = {HEADER: f"999 {'A' * 43}= stream 1 0 0 signature"}
        self._do(self.stage.hub.publish("site.s1.report.hazard.x", b"x", message_id="x", headers=header))


def test_no_order_of_faults_makes_a_gate_lose_or_leak_anything() -> None:
    run_state_machine_as_test(GateMachine, settings=machine_settings())


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (AcknowledgementsAreReceipts, LOST),
        (BelievesEveryReceipt, LOST),
        (NeverSendsAgain, "never arrive|keeps what is committed"),
        (PassesBytesOn, "the ledger does not list"),
    ],
)
def test_the_machine_finds_a_broken_gate(broken: type[GateMachine], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        run_state_machine_as_test(broken, settings=machine_settings(control=True))
