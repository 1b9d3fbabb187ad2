"""`python -m tests.support.faults.ledger_figures`: tampered ledgers that are not seen, time of a check."""

import argparse
import datetime
import sys
import tempfile
import time
from pathlib import Path

from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import Outgoing, verify
from messaging.figures import Figure, write_figures
from tests.support.faults.tampered_ledgers import NOON, tampered
from tests.support.messaging.site_keys import site_key

LEDGERS = 2000
ENTRIES = 100_000


def unseen(folder: Path, ledgers: int = LEDGERS) -> Figure:
    """How many of so many tampered ledgers neither the site's check nor the cloud's sees."""
    found = [tampered(folder / str(seed), site_key("s1"), seed) for seed in range(ledgers)]
    missed = [one for one in found if not (one.seen_by_cloud and (one.resigned or one.seen_at_site))]
    return Figure("tampered_ledgers_unseen", len(missed), "ledgers", "= 0", n=ledgers)


def verification_s(folder: Path, entries: int = ENTRIES) -> Figure:
    """CPU seconds to verify a ledger of so many entries."""
    ledger = Ledger(folder, site_key("s1"))
    for start in range(0, entries, 10_000):
        ledger.append(
            [
                Outgoing(f"{n:026d}", "site.s1.report.hazard", "hazard", b"%d" % n)
                for n in range(start, start + 10_000)
            ],
            NOON,
        )
    ledger.close()
    started = time.process_time()
    verify(folder)
    return Figure("ledger_verification_s", time.process_time() - started, "s of CPU", "<= 5", n=entries)


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="ledger_figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        found = [unseen(Path(folder) / "many"), verification_s(Path(folder) / "long")]
    write_figures(out, found, command="make faults", now=datetime.datetime.now(datetime.UTC))
    for figure in found:
        sys.stdout.write(f"{figure.name}: {figure.value_text} of {figure.n}, {figure.holds_text}\n")
    return int(any(figure.holds is False for figure in found))


if __name__ == "__main__":
    sys.exit(main())
