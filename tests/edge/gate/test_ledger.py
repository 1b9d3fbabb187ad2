"""The ledger lists everything once, survives crashes, and detects tampering, with the number of the entry."""

import errno
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import LedgerBroken
from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import (
    HEAD_FILE,
    LEDGER_FILE,
    RECEIPT_FILE,
    LedgerEntry,
    Outgoing,
    Total,
    verify,
)
from messaging.errors import ConfigurationError, MessageRefused
from messaging.receipts import START, LedgerPosition, LedgerReceipt, Receipt
from messaging.trust.site_signatures import signed_receipt
from tests.support.messaging.site_keys import director_key, site_key

NOON = 1_800_014_400
KEY = site_key("s1")


def _message(n: int, kind: str = "hazard") -> Outgoing:
    return Outgoing(f"ID{n:024d}", f"site.s1.report.{kind}.ID{n:024d}", kind, b"x" * (100 + n))


def _filled(folder: Path, count: int = 20) -> Path:
    ledger = Ledger(folder, KEY)
    ledger.append([_message(n) for n in range(count)], NOON)
    ledger.close()
    return folder / LEDGER_FILE


def test_entries_follow_one_another_and_totals_add_up(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, KEY)
    first = ledger.append([_message(0), _message(1, "misdetection")], NOON)
    (third,) = ledger.append([_message(2)], NOON + 86_400)
    assert [entry.n for entry in first] == [1, 2]
    assert first[0].prev == START.hash
    assert third.prev == first[1].position.hash
    assert ledger.head == third.position
    assert ledger.by_kind == {"hazard": Total(2, 202), "misdetection": Total(1, 101)}
    ledger.close()
    summary = verify(tmp_path)
    assert summary.head == third.position
    assert summary.by_kind == {"hazard": Total(2, 202), "misdetection": Total(1, 101)}
    assert summary.by_kind_and_day[("hazard", "2027-01-15")] == Total(1, 100)
    assert summary.by_kind_and_day[("hazard", "2027-01-16")] == Total(1, 102)


def test_a_message_listed_before_keeps_its_entry_also_after_a_restart(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, KEY)
    (entry,) = ledger.append([_message(0)], NOON)
    ledger.close()
    again = Ledger(tmp_path, KEY)
    assert again.append([_message(0), _message(1), _message(1)], NOON + 5)[0] == entry
    assert again.head.n == 2
    again.close()


def test_an_id_cannot_be_used_again_for_other_bytes(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, KEY)
    ledger.append([_message(0)], NOON)
    with pytest.raises(MessageRefused, match="other bytes"):
        ledger.append([Outgoing(_message(0).message_id, "s", "hazard", b"other")], NOON)
    assert ledger.head.n == 1
    ledger.close()


def test_two_processes_cannot_write_one_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, KEY)
    with pytest.raises(ConfigurationError, match="in use"):
        Ledger(tmp_path, KEY)
    ledger.close()
    ledger.close()


@pytest.mark.parametrize("torn", [b"{", b'{"n":21,"prev":"00', b"\x00" * 40])
def test_an_entry_that_was_being_written_at_a_crash_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = _filled(tmp_path)
    with path.open("ab") as file:
        file.write(torn)
    ledger = Ledger(tmp_path, KEY)
    assert ledger.head.n == 20
    ledger.append([_message(20)], NOON)
    ledger.close()
    assert verify(tmp_path).head.n == 21


def _flip(lines: list[bytes]) -> list[bytes]:
    return [*lines[:9], lines[9].replace(b'"length_bytes":109', b'"length_bytes":108'), *lines[10:]]


def _forged_kind(lines: list[bytes]) -> list[bytes]:
    values = json.loads(lines[9])
    values["kind"] = "nothing"
    forged = json.dumps(values, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    return [*lines[:9], forged, *lines[10:]]


TAMPERINGS: list[tuple[str, Callable[[list[bytes]], list[bytes]], str]] = [
    ("a figure was changed", _flip, "entry 11"),
    ("a kind was forged", _forged_kind, "entry 11"),
    ("an entry was dropped", lambda lines: lines[:9] + lines[10:], "entry 10"),
    ("an entry was inserted", lambda lines: [*lines[:9], lines[3], *lines[9:]], "entry 10"),
    ("two entries were exchanged", lambda x: [*x[:9], x[10], x[9], *x[11:]], "entry 10"),
    ("the first was dropped", lambda lines: lines[1:], "entry 1 "),
    ("spaces were added", lambda x: [*x[:9], x[9].replace(b",", b", "), *x[10:]], "entry 10"),
    ("a field was added", lambda x: [*x[:9], x[9].replace(b"{", b'{"a":1,'), *x[10:]], "entry 10"),
    ("a line is no entry", lambda x: [*x[:9], b"[1]\n", *x[10:]], "entry 10"),
    ("the last was changed", lambda x: [*x[:-1], x[-1].replace(b"hazard", b"shadow")], "head"),
    ("the end was cut off", lambda lines: lines[:-3], "head has 20"),
    ("all was removed", lambda lines: [], "head has 20"),
]


@pytest.mark.parametrize(("attack", "tampering", "named"), TAMPERINGS, ids=[row[0] for row in TAMPERINGS])
def test_tampering_is_detected(
    tmp_path: Path, attack: str, tampering: Callable[[list[bytes]], list[bytes]], named: str
) -> None:
    path = _filled(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    changed = tampering(lines)
    assert changed != lines, attack
    path.write_bytes(b"".join(changed))
    with pytest.raises(LedgerBroken, match=named):
        verify(tmp_path)
    with pytest.raises(LedgerBroken, match=named):
        Ledger(tmp_path, KEY)


def _receipt(folder: Path, position: LedgerPosition) -> None:
    """What the cloud signs after it has verified a checkpoint."""
    ledger = LedgerReceipt(position.n, position.hash, KEY.key.public.public_hex, NOON)
    (folder / RECEIPT_FILE).write_bytes(
        signed_receipt(Receipt("s1", "db", "hub", {}, ledger), director_key())
    )


def test_a_ledger_that_its_owner_rewrote_and_signed_again_does_not_match_the_receipt(tmp_path: Path) -> None:
    path, director = _filled(tmp_path), director_key().public
    with pytest.raises(LedgerBroken, match="the cloud has signed nothing"):
        verify(tmp_path, director)
    _receipt(tmp_path, verify(tmp_path).head)
    assert "the cloud verified it to entry 20 at 2027-01-15 12:00:00" in verify(tmp_path, director).sentence
    path.unlink()
    (tmp_path / HEAD_FILE).unlink()
    ledger = Ledger(tmp_path, KEY)
    ledger.append([_message(n, "shadow") for n in range(20)], NOON)
    ledger.close()
    verify(tmp_path)
    with pytest.raises(LedgerBroken, match="the cloud's receipt has another hash for entry 20"):
        verify(tmp_path, director)
    _receipt(tmp_path, LedgerPosition(25, "ab" * 32))
    with pytest.raises(LedgerBroken, match="the cloud's receipt has 25 entries, the ledger ends at 20"):
        verify(tmp_path, director)


def test_a_number_that_is_left_out_is_seen_though_the_hashes_follow(tmp_path: Path) -> None:
    path, before = tmp_path / LEDGER_FILE, START
    lines = []
    for n in (1, 3):
        one = LedgerEntry(n, before.hash, f"id{n}", "subject", "hazard", 1, "0" * 64, 3, 1_800_000_000)
        lines.append(one.line() + b"\n")
        before = one.position
    path.write_bytes(b"".join(lines))
    (tmp_path / HEAD_FILE).write_bytes(KEY.checkpoint(before, NOON).to_bytes())
    with pytest.raises(LedgerBroken, match="entry 2 does not follow"):
        verify(tmp_path)


def test_a_receipt_in_the_middle_is_checked_and_one_that_the_site_wrote_is_refused(tmp_path: Path) -> None:
    ledger, director = Ledger(tmp_path, KEY), director_key().public
    entries = ledger.append([_message(n) for n in range(20)], NOON)
    ledger.close()
    _receipt(tmp_path, entries[6].position)
    verify(tmp_path, director)
    _receipt(tmp_path, LedgerPosition(7, entries[7].position.hash))
    with pytest.raises(LedgerBroken, match="entry 7"):
        verify(tmp_path, director)
    with pytest.raises(LedgerBroken, match="is not the cloud's receipt"):
        verify(tmp_path, KEY.key.public)


def test_the_head_of_another_key_or_without_one_is_refused(tmp_path: Path) -> None:
    path = _filled(tmp_path)
    head = verify(tmp_path).head
    (tmp_path / HEAD_FILE).write_bytes(site_key("s2").checkpoint(head, NOON).to_bytes())
    with pytest.raises(LedgerBroken, match="the checkpoint is of site 's2'"):
        Ledger(tmp_path, KEY)
    (tmp_path / HEAD_FILE).write_bytes(b'{"hash":"%s","n":20}' % head.hash.encode())
    with pytest.raises(LedgerBroken, match="is not a signed head"):
        verify(tmp_path)
    (tmp_path / HEAD_FILE).unlink()
    assert path.stat().st_size > 0
    with pytest.raises(LedgerBroken, match="is missing"):
        verify(tmp_path)


def test_the_bytes_of_the_last_day_are_counted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, KEY)
    ledger.append([_message(0)], NOON)
    ledger.append([_message(1)], NOON + 100)
    assert ledger.bytes_since(NOON + 50) == {"hazard": 101}
    assert ledger.bytes_since(NOON) == {"hazard": 201}
    ledger.close()


def test_the_cost_of_verifying_grows_with_the_number_of_entries_and_no_faster(tmp_path: Path) -> None:
    """Ten times the entries cost about ten times the work: a cost per pair would show as a hundred times."""
    seconds = []
    for count in (2_000, 20_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        _filled(folder, count)
        started = time.process_time()
        assert verify(folder).head.n == count
        seconds.append(time.process_time() - started)
    assert seconds[1] < 30 * seconds[0]


@pytest.mark.parametrize("fault", ["part of a line", "no sync"])
def test_entries_that_the_disk_does_not_take_are_not_listed_and_the_chain_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    ledger, write = Ledger(tmp_path, KEY), os.write
    ledger.append([_message(1)], 100)

    def partly(file: int, data: bytes) -> int:
        if len(data) < 40:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data[: len(data) - 30])

    def refused(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as trouble:
        if fault == "no sync":
            trouble.setattr(os, "fsync", refused)
        else:
            trouble.setattr(os, "write", partly)
        for _ in range(3):
            with pytest.raises(OSError, match=re.escape(str(tmp_path / LEDGER_FILE))):
                ledger.append([_message(2), _message(3)], 101)
    assert ledger.head.n == 1
    entries = ledger.append([_message(3), _message(2)], 102)
    ledger.close()
    assert [entry.n for entry in entries] == [2, 3]
    assert verify(tmp_path).head == entries[-1].position


@pytest.mark.parametrize("content", [b"", b"\0\0", b"[]", b'{"n": 1'])
def test_an_emptied_ledger_or_head_is_never_begun_again(tmp_path: Path, content: bytes) -> None:
    ledger = Ledger(tmp_path, KEY)
    ledger.append([_message(1)], 100)
    for name in (LEDGER_FILE, HEAD_FILE):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LedgerBroken):
            verify(tmp_path)
        (tmp_path / name).write_bytes(whole)
    ledger.close()
