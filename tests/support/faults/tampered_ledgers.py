"""Ledgers that are tampered with at random, by a thief of the disk and by the owner of the site's key.

`seen_at_site` is what `blindspot-edge ledger verify` finds in the folder alone, `seen_by_cloud` what it finds
with the entries that the cloud knows.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.errors import LedgerBroken
from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import HEAD_FILE, LEDGER_FILE, LedgerEntry, Outgoing, verify
from messaging.receipts import START, LedgerPosition
from messaging.trust.site_signatures import SiteKey

NOON = 1_800_014_400
KINDS = ("hazard", "misdetection", "heartbeat", "recall")
Lines = list[LedgerEntry]


@dataclass(frozen=True)
class Tampering:
    """What was done: to which entry, whether chain and head were computed again, whether the head is gone."""

    attack: str
    resigned: bool
    head_removed: bool
    seen_at_site: bool
    seen_by_cloud: bool


def _flip(entries: Lines, at: int, chance: random.Random) -> Lines:
    digest = f"{chance.getrandbits(256):064x}"
    changes: dict[str, Any] = {"kind": "other", "sha256": digest, "length_bytes": 1, "at_utc": 1, "id": "X"}
    name = chance.choice(sorted(changes))
    return [*entries[:at], replace(entries[at], **{name: changes[name]}), *entries[at + 1 :]]


def _drop(entries: Lines, at: int, chance: random.Random) -> Lines:
    return [*entries[:at], *entries[at + 1 :]]


def _insert(entries: Lines, at: int, chance: random.Random) -> Lines:
    return [*entries[:at], replace(entries[at], id="INSERTED"), *entries[at:]]


def _swap(entries: Lines, at: int, chance: random.Random) -> Lines:
    other = (at + 1) % len(entries)
    swapped = list(entries)
    swapped[at], swapped[other] = swapped[other], swapped[at]
    return swapped


def _truncate(entries: Lines, at: int, chance: random.Random) -> Lines:
    return entries[:at]


def _fork(entries: Lines, at: int, chance: random.Random) -> Lines:
    """Another history from an entry on, of the same length or longer."""
    more = chance.randrange(3)
    rest = [replace(entry, id=f"F{n}") for n, entry in enumerate(entries[at:] + entries[-1:] * more)]
    return [*entries[:at], *rest]


def _rewrite(entries: Lines, at: int, chance: random.Random) -> Lines:
    return [replace(entry, id=f"R{n}", kind="recall") for n, entry in enumerate(entries)]


ATTACKS: dict[str, Callable[[Lines, int, random.Random], Lines]] = {
    "flip": _flip, "drop": _drop, "insert": _insert, "swap": _swap, "truncate": _truncate, "fork": _fork,
    "rewrite": _rewrite,
}  # fmt: skip


def tampered(folder: Path, key: SiteKey, seed: int) -> Tampering:
    """Fill a ledger, tamper with it, and look whether it is seen."""
    chance = random.Random(seed)
    ledger, known = Ledger(folder, key), list[LedgerPosition]()
    for batch in range(chance.randrange(2, 6)):
        outgoing = [
            Outgoing(f"{seed}-{batch}-{n}", "s", chance.choice(KINDS), chance.randbytes(9))
            for n in range(chance.randrange(1, 12))
        ]
        entries = ledger.append(outgoing, NOON + 60 * batch)
        known += [entry.position for entry in entries if entry.kind != "heartbeat"]
    known.append(ledger.head)  # by a checkpoint
    ledger.close()
    lines = (folder / LEDGER_FILE).read_bytes().splitlines()
    attack = chance.choice(sorted(ATTACKS))
    resigned, head_removed = chance.random() < 0.5, chance.random() < 0.3
    before = [LedgerEntry(**json.loads(line)) for line in lines]
    after = ATTACKS[attack](before, chance.randrange(len(before)), chance)
    _write(folder, after, key if resigned else None)
    if head_removed:
        (folder / HEAD_FILE).unlink()
    return Tampering(attack, resigned, head_removed, _seen(folder, []), _seen(folder, known))


def _write(folder: Path, entries: Lines, owner: SiteKey | None) -> None:
    """Write the entries; the owner of the key also links them again and signs the new head."""
    written, head = list[bytes](), START
    for entry in entries:
        linked = entry if owner is None else replace(entry, n=head.n + 1, prev=head.hash)
        written.append(linked.line() + b"\n")
        head = linked.position
    (folder / LEDGER_FILE).write_bytes(b"".join(written))
    if owner is not None:
        at_utc = entries[-1].at_utc if entries else 0
        (folder / HEAD_FILE).write_bytes(owner.checkpoint(head, at_utc).to_bytes())


def _seen(folder: Path, known: list[LedgerPosition]) -> bool:
    try:
        verify(folder, None, known)
    except LedgerBroken:
        return True
    return False
