"""Every module of cases."""

from tests.trouble.case import CASES, Case
from tests.trouble.handed import cloud, data, edge, footage, synth

MODULES = (data, edge, footage, cloud, synth)


def all_cases() -> list[Case]:
    """The cases of all modules, in the order of the modules."""
    return list(CASES.values())
