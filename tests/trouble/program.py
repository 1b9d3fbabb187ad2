"""`python -m tests.trouble`: tries every case in a folder of its own, two at a time, and writes the figures.

A case is right when its check passes, no command printed a traceback, no planted secret is in anything that
was printed, logged or served, every camera that should live lives, and no foreign file is gone or changed.
"""

import argparse
import datetime
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from messaging.figures import Figure, write_figures
from tests.trouble import groups
from tests.trouble.bench import TRACEBACK, Bench
from tests.trouble.case import Case, NotPossibleHere, Wrong
from tests.trouble.soak import soak_figures

RIGHT, WRONG, NOT_POSSIBLE = "right", "WRONG", "not possible here"
OWN_CASES = 60


@dataclass(frozen=True)
class Outcome:
    """What became of one case."""

    case: Case
    state: str
    detail: str
    seconds: float
    tracebacks: int = 0
    secrets: int = 0
    cameras_dead: int = 0
    files_lost: int = 0

    def line(self) -> str:
        """One line for people."""
        origin = "handed" if self.case.handed else "own"
        why = f": {self.detail}" if self.detail else ""
        return f"{self.state:5} {self.seconds:5.1f} s {origin:6} {self.case.name}{why}"


def attempt(case: Case, shared: Path, inputs: Path | None) -> Outcome:
    """Try one case in an empty temporary folder."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="blindspot-trouble-") as name:
        bench = Bench(Path(name), shared, inputs)
        state, detail = RIGHT, ""
        try:
            case.check(bench)
        except NotPossibleHere as reason:
            state, detail = NOT_POSSIBLE, str(reason)
        except Wrong as error:
            state, detail = WRONG, f"{error} -- right would be: {case.right}"
        except Exception:  # noqa: BLE001 (the top of a case: any failure is the case's outcome)
            state, detail = WRONG, f"the case itself failed: {traceback.format_exc().strip()[-600:]}"
        finally:
            bench.close()
        outcome = _judged(case, bench, state, detail, time.monotonic() - begun)
    sys.stdout.write(outcome.line() + "\n")
    sys.stdout.flush()
    return outcome


def _judged(case: Case, bench: Bench, state: str, detail: str, seconds: float) -> Outcome:
    """The outcome with what holds for every case: no traceback, no secret, no file lost."""
    text = "\n".join(bench.transcript)
    tracebacks = text.count(TRACEBACK)
    secrets = sum(text.count(secret) for secret in bench.secrets)
    lost = bench.files_lost()
    faults = [detail] if detail else []
    if tracebacks:
        faults.append(f"{tracebacks} tracebacks: {text[text.rindex(TRACEBACK) :][-400:]}")
    if secrets:
        shown = [line for line in text.splitlines() if any(secret in line for secret in bench.secrets)]
        faults.append(f"{secrets} secrets shown: {' / '.join(shown[:3])}")
    if lost:
        faults.append(f"foreign files removed or changed: {', '.join(map(str, lost))}")
    if state == RIGHT and (tracebacks or secrets or lost):
        state = WRONG
    detail = " ".join("; ".join(faults).split())
    return Outcome(case, state, detail, seconds, tracebacks, secrets, bench.cameras_dead, len(lost))


def try_all(cases: Sequence[Case], inputs: Path | None, *, jobs: int) -> list[Outcome]:
    """Try the cases, `jobs` at a time; parts that cases share are made once."""
    with tempfile.TemporaryDirectory(prefix="blindspot-trouble-shared-") as name:
        shared = Path(name)
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(lambda case: attempt(case, shared, inputs), cases))


def figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    """The figures of `make trouble`, without the soak."""
    possible = [outcome for outcome in outcomes if outcome.state != NOT_POSSIBLE]
    handed = [outcome for outcome in possible if outcome.case.handed]
    own = [outcome for outcome in possible if not outcome.case.handed]
    right = {True: sum(o.state == RIGHT for o in handed), False: sum(o.state == RIGHT for o in own)}
    return [
        Figure("handed_cases_right", right[True], "cases", f"= {len(handed)}", n=len(handed)),
        Figure("own_cases_right", right[False], "cases", f">= {OWN_CASES}", n=len(own)),
        Figure("own_cases_wrong", len(own) - right[False], "cases", "= 0", n=len(own)),
        Figure("cases_not_possible_here", len(outcomes) - len(possible), "cases"),
        Figure("tracebacks_shown", sum(o.tracebacks for o in outcomes), "tracebacks", "= 0"),
        Figure("secrets_in_logs", sum(o.secrets for o in outcomes), "places", "= 0"),
        Figure("cameras_dead_after_trouble", sum(o.cameras_dead for o in outcomes), "cameras", "= 0"),
        Figure("files_deleted_not_ours", sum(o.files_lost for o in outcomes), "files", "= 0"),
    ]


def chosen(only: str | None, inputs: Path | None) -> list[Case]:
    """All cases, or those whose name matches `only`; handed ones only where the inputs are."""
    cases = [case for case in groups.all_cases() if inputs is not None or not case.handed]
    return [case for case in cases if only is None or re.search(only, case.name)]


def unused_inputs(inputs: Path | None) -> list[str]:
    """Handed inputs that no case uses."""
    if inputs is None:
        return []
    used = {name for case in groups.all_cases() if case.handed for name in case.handed.split()}
    there = {path.name for path in inputs.iterdir() if path.name.startswith("case")}
    return sorted(there - used)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the cases, then the soak when asked for; print one line a case and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.trouble", description=__doc__)
    parser.add_argument("--out", type=Path, help="the figures, as out/figures/trouble.json")
    parser.add_argument("--inputs", type=Path, help="folder of the handed inputs; without it: own cases only")
    parser.add_argument("--only", help="only cases whose name matches this regular expression")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time")
    parser.add_argument("--soak-minutes", type=float, default=0.0, help="length of the soak; 0: none")
    parser.add_argument("--list", action="store_true", help="list the cases and what is right")
    given = parser.parse_args(arguments)
    inputs = given.inputs.resolve() if given.inputs and given.inputs.is_dir() else None
    cases = chosen(given.only, inputs)
    if given.list:
        sys.stdout.writelines(f"{case.name}: {case.right}\n" for case in cases)
        return 0
    begun = time.monotonic()
    outcomes = try_all(cases, inputs, jobs=given.jobs)
    measured = figures(outcomes)
    if given.soak_minutes > 0:
        measured += soak_figures(given.soak_minutes)
    for name in unused_inputs(inputs):
        sys.stdout.write(f"no case uses the handed input {name}\n")
    for figure in measured:
        holds = {True: "holds", False: "does NOT hold", None: ""}[figure.holds]
        sys.stdout.write(f"{figure.name}: {figure.value_text} {figure.target or ''} {holds}\n")
    sys.stdout.write(f"{len(outcomes)} cases in {time.monotonic() - begun:.0f} s\n")
    if given.out:
        command = "make trouble" + (f" SOAK={given.soak_minutes:g}" if given.soak_minutes else "")
        write_figures(given.out, measured, command=command, now=datetime.datetime.now(datetime.UTC))
    return int(any(figure.holds is False for figure in measured))
