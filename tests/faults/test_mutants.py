"""The list of mutants fits the tree, and one of them, applied, makes its test fail (all: `make mutants`)."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.faults.mutants import (
    ROOT,
    Fate,
    Mutant,
    MutantStale,
    copied_tree,
    fate_of,
    listed,
    mutated,
    passes,
)

LEAST = 60
SHARES = "tests/cloud/failure_modes/test_site_shares.py"


def test_every_text_and_every_test_of_the_list_is_there() -> None:
    mutants = listed()
    assert len(mutants) >= LEAST
    assert len({(one.file, one.old, one.new) for one in mutants}) == len(mutants)
    for one in mutants:
        mutated(one, ROOT)


def test_a_text_that_is_gone_and_a_change_of_nothing_are_errors() -> None:
    one = listed()[0]
    for changes in ({"old": "not in the file"}, {"new": one.old}, {"test": "tests/test_absent.py"}):
        with pytest.raises(MutantStale):
            mutated(replace(one, **changes), ROOT)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mutants_are_killed_and_a_harmless_change_is_not(tmp_path: Path) -> None:
    tree = copied_tree(tmp_path)
    assert passes(tree, SHARES)
    mutant = next(one for one in listed() if one.test == SHARES)
    assert fate_of(tree, mutant) is Fate.KILLED, mutant.name
    harmless = Mutant(
        SHARES,
        "cloud/failure_modes/site_shares.py",
        "a constant's form",
        "_DECIMALS = 6",
        "_DECIMALS = 3 + 3",
    )
    assert fate_of(tree, harmless) is Fate.ALIVE
    assert fate_of(tree, replace(harmless, test=f"{SHARES} -k nothing_has_this_name")) is Fate.BROKEN
