"""`python -m tests.faults.api_figures`: what the REST API answers to generated requests, on two databases."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from messaging.figures import Figure
from tests.support.cloud.postgres import find_programs, running_postgres
from tests.support.faults.api_cases import ApiTally
from tests.support.faults.api_run import answers_of_cloud
from tests.support.figures.writing import written

CASES = 12_500  # at least 10,000 are sent: an operation without parameters has one request only


def main() -> int:
    """Entry of the process; exit code 1 if an answer was a failure of the server."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.api_figures", description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    tallies: list[ApiTally] = []
    with _stores() as urls:
        for number, url in enumerate(urls):
            with tempfile.TemporaryDirectory() as folder:
                first_seed, cases = arguments.seed + number * 1000, arguments.cases // len(urls)
                tallies.append(
                    answers_of_cloud(Path(folder), cases=cases, store_url=url, first_seed=first_seed)
                )
    sent = sum(tally.sent for tally in tallies)
    found = [
        Figure("api_5xx", sum(t.server_errors for t in tallies), "answers", "= 0", n=sent),
        Figure("api_refusals_without_sentence", sum(t.unclear for t in tallies), "answers", "= 0", n=sent),
    ]
    for fault in sorted({fault for tally in tallies for fault in tally.faults}):
        sys.stdout.write(f"{fault}\n")
    return written(arguments.out, found)


@contextmanager
def _stores() -> Iterator[list[str | None]]:
    """URLs of the databases: SQLite in the data folder, and PostgreSQL where it is installed."""
    programs = find_programs()
    if programs is None:
        yield [None]
        return
    with running_postgres(programs) as server:
        yield [None, server.new_database()]


if __name__ == "__main__":
    sys.exit(main())
