"""Every module of cases."""

from tests.trouble.case import CASES, Case
from tests.trouble.handed import cloud, data, edge, footage, synth
from tests.trouble.own import cameras as own_cameras
from tests.trouble.own import data as own_data

MODULES = (data, edge, footage, cloud, synth, own_data, own_cameras)


def all_cases() -> list[Case]:
    """The cases of all modules, in the order of the modules."""
    return list(CASES.values())
