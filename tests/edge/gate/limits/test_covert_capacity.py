"""What a hostile node writes into legal messages is read out of what leaves, and is little."""

from pathlib import Path

from edge.gate.limits.count_caps import COUNT_LIMITS
from tests.support.faults.covert_figures import Receiver, covert_bytes, covert_bytes_after_restart


def test_data_in_every_kind_of_legal_report_come_out_as_they_were_written(tmp_path: Path) -> None:
    """`covert_bytes` compares every bit; three reports of each kind show that the code fits the gate."""
    by_kind = covert_bytes(tmp_path, most=3)
    assert by_kind.keys() == COUNT_LIMITS.keys() | {"heartbeat"}
    assert all(count > 3 for count in by_kind.values()), by_kind


def test_a_restart_of_the_gate_gives_no_new_burst_of_any_kind(tmp_path: Path) -> None:
    """The control is a gate that has spent nothing: of each kind three reports leave at once."""
    rested = Receiver(tmp_path / "rested", seed=7)
    for kind in COUNT_LIMITS:
        rested.burst_of(kind, 3)
    rested.burst_of_heartbeats(3)
    assert rested.bits.keys() == COUNT_LIMITS.keys() | {"heartbeat"}
    assert covert_bytes_after_restart(tmp_path / "spent", most=3) == {}
