"""A case of trouble: what is made, which public commands are run, and what is right afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.trouble.bench import Bench

KINDS = "ABCDEFGHIJKLMNOPQRST"


class Wrong(AssertionError):
    """The product did something else than what is right; the message has what was seen and what is right."""


class NotPossibleHere(Exception):
    """This machine cannot make the trouble (no ffmpeg, not root); the message says what is missing."""


@dataclass(frozen=True)
class Case:
    """One case. `right` is the sentence of what is right; `handed` is the input file it is made from."""

    name: str
    kind: str
    right: str
    check: Callable[["Bench"], None]
    handed: str | None = None


CASES: dict[str, Case] = {}


def add(case: Case) -> None:
    """Register a case; names differ and kinds are A to T."""
    if case.name in CASES or case.kind not in KINDS:
        raise ValueError(f"case {case.name} of kind {case.kind}: name taken or kind unknown")
    CASES[case.name] = case


Check = Callable[["Bench"], None]


def case(kind: str, right: str, *, handed: str | None = None) -> Callable[[Check], Check]:
    """Register the decorated function as a case named after it, and after the handed input."""

    def register(check: Check) -> Check:
        name = check.__name__.strip("_").replace("_", "-")
        add(Case(f"{kind}-{name}", kind, right, check, handed))
        return check

    return register


def need(holds: object, what: str) -> None:
    """Raise `Wrong` unless it holds."""
    if not holds:
        raise Wrong(what)
