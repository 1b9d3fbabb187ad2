"""Every module of cases."""

from tests.trouble.case import CASES, Case
from tests.trouble.handed import cloud, data, edge, footage, synth
from tests.trouble.own import cameras as own_cameras
from tests.trouble.own import cloud as own_cloud
from tests.trouble.own import data as own_data
from tests.trouble.own import site as own_site
from tests.trouble.own import synth as own_synth

MODULES = (data, edge, footage, cloud, synth, own_data, own_cameras, own_site, own_cloud, own_synth)


def all_cases() -> list[Case]:
    """The cases of all modules, in the order of the modules."""
    return list(CASES.values())
