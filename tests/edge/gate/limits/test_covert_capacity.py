"""What a hostile node writes into legal messages is read out of what leaves, and is little."""

from pathlib import Path

from edge.gate.limits.count_caps import COUNT_LIMITS
from tests.support.faults.covert_figures import covert_bytes


def test_data_in_every_kind_of_legal_report_come_out_as_they_were_written(tmp_path: Path) -> None:
    """`covert_bytes` compares every bit; three reports of each kind show that the code fits the gate."""
    by_kind = covert_bytes(tmp_path, most=3)
    assert by_kind.keys() == COUNT_LIMITS.keys() | {"heartbeat"}
    assert all(count > 3 for count in by_kind.values()), by_kind
