"""What a ledger lists of the reports of a site, for tests that compare it with what was sent."""

from pathlib import Path

from edge.gate.ledger_entries import TRANSPORT, verify

OTHERS = ("heartbeat", TRANSPORT)
"""Kinds that follow time, not what was sent."""


def report_entries(ledger: Path) -> dict[str, int]:
    """Entries of each kind of report; heartbeats and what was written beside payloads are left out."""
    return {kind: total.count for kind, total in verify(ledger).by_kind.items() if kind not in OTHERS}
