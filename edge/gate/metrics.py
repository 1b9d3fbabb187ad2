"""The gate's metrics, for a Prometheus on this machine or its network; nothing here is sent to the hub."""

from collections.abc import Mapping

from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import TRANSPORT
from edge.gate.limits.pins import PinReason
from edge.gate.receipts import ReceiptCounts
from edge.gate.uplink import UplinkCounts
from messaging.monitoring.metric_set import MetricSet
from messaging.nats.written_bytes import WrittenBytes
from messaging.wire_format.codec import PAYLOADS, Lane

PREFIX = "blindspot_edge"
SEND_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class GateMetrics(MetricSet):
    """All metrics of a gate's `/metrics`; all but the times of sending are set with the gate's status.

    `written` counts what the gate writes to the hub.
    """

    def __init__(self) -> None:
        super().__init__(PREFIX)
        self.written = WrittenBytes()
        self.bytes_written = self.mirrored_counter(
            "gate_bytes_written", "Bytes that the gate wrote to the hub, all of them, before TLS", "kind"
        )
        self.send_s = self.histogram(
            "gate_send_seconds", "Until the hub had stored a message", "lane", buckets=SEND_S
        )
        self.egress_bytes = self.mirrored_counter(
            "egress_bytes",
            "Bytes that left the site, by the ledger from its first entry; `transport`: beside messages",
            "type",
        )
        self.egress_messages = self.mirrored_counter(
            "egress_messages", "Messages that left the site, by the ledger from its first entry", "type"
        )
        self.forwarded = self.mirrored_counter("gate_forwarded_messages", "Messages that the hub has", "type")
        self.duplicates = self.mirrored_counter(
            "gate_duplicate_messages", "Forwarded messages that the hub had already"
        )
        self.refused = self.mirrored_counter(
            "gate_refused_messages", "Messages that may not leave and were set aside", "reason"
        )
        self.shed = self.mirrored_counter(
            "gate_shed_reports", "Reports over the count cap of their kind and camera", "type"
        )
        self.held_back = self.mirrored_counter(
            "gate_held_back_messages", "Times a message waited for the cap of its lane"
        )
        self.sent_again = self.mirrored_counter(
            "gate_resent_messages", "Messages sent again because no receipt came"
        )
        self.lost = self.mirrored_counter(
            "gate_lost_messages", "Messages that the site's broker lost before a receipt came", "lane"
        )
        self.ledger_entries = self.mirrored_counter("gate_ledger_entries", "Entries of the egress ledger")
        self.receipt_entry = self.gauge(
            "gate_receipt_entry", "The newest ledger entry for which there is a receipt of the cloud"
        )
        self.receipts_refused = self.mirrored_counter(
            "gate_refused_receipts", "Receipts that contradict the ledger"
        )
        self.queued = self.gauge(
            "gate_queued_messages", "Messages at the site's broker that the hub does not have", "lane"
        )
        self.connected = self.gauge("gate_connected", "1 while the broker answers", "broker")
        self.disk_free_bytes = self.gauge("disk_free_bytes", "Free bytes on the disk of the data folder")
        self.mirror_complete = self.gauge(
            "gate_mirror_complete", "1 if metadata, orders and weights of the hub are all copied"
        )
        self.loop_failures = self.gauge(
            "gate_loop_failures_in_a_row", "Failures of a loop since its last success", "loop"
        )
        self.loop_success_utc = self.gauge(
            "gate_loop_last_success_timestamp_seconds", "When a loop last succeeded; 0 before", "loop"
        )

    def note_sent(self, lane: Lane, seconds: float) -> None:
        """Count the time in which one message was stored at the hub."""
        self.send_s.labels(lane).observe(seconds)

    def note_counts(self, uplink: UplinkCounts, receipts: ReceiptCounts, ledger: Ledger) -> None:
        """Set what uplink, receipts and ledger have counted."""
        for kind, number in uplink.forwarded.items():
            self.forwarded.set(number, kind)
        self.duplicates.set(uplink.duplicates)
        for reason in PinReason:  # from 0 on, so that the first one is an increase
            self.refused.set(uplink.refusals[reason], reason)
        for kind in PAYLOADS:
            self.shed.set(uplink.shed[kind], kind)
        self.held_back.set(uplink.held_back)
        self.sent_again.set(uplink.sent_again)
        self.receipt_entry.set(receipts.receipt_n)
        self.receipts_refused.set(receipts.refused)
        self.ledger_entries.set(ledger.head.n)
        for kind, length_bytes in self.written.by_kind.items():
            self.bytes_written.set(length_bytes, kind)
        for kind, total in ledger.by_kind.items():
            self.egress_bytes.set(total.bytes, kind)
            if kind != TRANSPORT:
                self.egress_messages.set(total.count, kind)

    def note_lost(self, lost: Mapping[Lane, int]) -> None:
        """Set the messages that were lost, of each lane."""
        for lane, number in lost.items():
            self.lost.set(number, lane)

    def note_queued(self, queued: Mapping[Lane, int | None]) -> None:
        """Set the messages that wait at the site; None, as its broker does not answer, is no number."""
        self.queued.clear()
        for lane, number in queued.items():
            if number is not None:
                self.queued.labels(lane).set(number)
