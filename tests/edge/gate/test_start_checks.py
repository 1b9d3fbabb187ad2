"""The doctor's findings about a gate that need no broker."""

import json
from pathlib import Path

import pytest

from edge.gate.settings import STATUS_FILE, GateSettings
from edge.gate.start_checks import named
from messaging.runtime.start_checks import CheckResult


def _finding(folder: Path, name: str) -> CheckResult:
    settings = GateSettings.model_validate(
        {
            "site": "s1",
            "site_url": "nats://site",
            "site_credentials": folder / "gate.nk",
            "hub_url": "nats://127.0.0.1:9",
            "hub_credentials": folder / "s1.creds",
            "trust": folder / "trust.json",
            "data_folder": folder,
            "mirror_folder": folder / "mirror",
        }
    )
    return next(result for result in named(settings) if result.name == name)


@pytest.mark.parametrize("status", [None, "", "[]", '{"receipt_fault": ""}', "{"])
def test_no_receipt_was_refused_or_the_status_does_not_say(tmp_path: Path, status: str | None) -> None:
    if status is not None:
        (tmp_path / STATUS_FILE).write_text(status)
    assert _finding(tmp_path, "receipts").ok


def test_a_refused_receipt_is_a_finding_with_its_reason(tmp_path: Path) -> None:
    fault = "the receipt of hazards up to message 3 has another hash for ledger entry 3 than the ledger"
    (tmp_path / STATUS_FILE).write_text(json.dumps({"receipt_fault": fault}))
    found = _finding(tmp_path, "receipts")
    assert not found.ok
    assert fault in found.detail


@pytest.mark.parametrize("status", [None, "", "[]", '{"lost_at_site": {"HAZARDS": 0}}', "{"])
def test_no_message_was_lost_or_the_status_does_not_say(tmp_path: Path, status: str | None) -> None:
    if status is not None:
        (tmp_path / STATUS_FILE).write_text(status)
    assert _finding(tmp_path, "lost messages").ok


def test_messages_that_the_sites_broker_lost_are_a_finding_with_their_number(tmp_path: Path) -> None:
    (tmp_path / STATUS_FILE).write_text(json.dumps({"lost_at_site": {"HAZARDS": 8, "EVIDENCE": 0}}))
    found = _finding(tmp_path, "lost messages")
    assert not found.ok
    assert "8 of HAZARDS" in found.detail
    assert "EVIDENCE" not in found.detail
