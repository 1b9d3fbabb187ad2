"""Draw the datasets of the demo's campaigns and register them in the cloud, photographs beside them.

Replay is from the world and conditions of the shipped detector's training; thresholds are calibrated on
scenes of four worlds; the holdout is from a world that no model was trained on. The photographs are of the
pack that ships, so that a campaign that unteaches photographs is refused. Runs as a process of its own
(`python -m cloud.demo.drawn.sets`) during the observation.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cloud.data.datasets import DatasetRegister
from cloud.data.roles import DataRole
from cloud.settings import DataFolder
from cloud.starting_detector.photograph_pack import part_of_pack
from cloud.starting_detector.scenes import BASE_TRAINING, CAMPAIGN_CALIBRATION, HOLDOUT, draw_folder

SCENES = {
    DataRole.REPLAY: (BASE_TRAINING,),
    DataRole.CALIBRATION: CAMPAIGN_CALIBRATION,
    DataRole.HOLDOUT: (HOLDOUT,),
}


def draw_sets(cloud: Path, work: Path, counts: Mapping[DataRole, int], photographs: int) -> None:
    """Draw so many images of each role below `work` and register them in the data folder `cloud`.

    At most so many `photographs` join each role.
    """
    register = DatasetRegister(DataFolder(cloud).datasets)
    for role, count in counts.items():
        name = f"photographs-{role}"
        register.add(part_of_pack(role, photographs, work / name), role, name)
        for scenes in SCENES[role]:
            some, name = replace(scenes, count=count // len(SCENES[role])), f"drawn-{role}-{scenes.world}"
            register.add(draw_folder(some, work / name), role, name)


def main() -> None:
    """Command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cloud", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    for role in SCENES:
        parser.add_argument(f"--{role}", type=int, required=True, help="images of this role")
    parser.add_argument("--photographs", type=int, required=True, help="photographs of each role, at most")
    given = parser.parse_args()
    counts = {role: getattr(given, role) for role in SCENES}
    draw_sets(given.cloud, given.work, counts, given.photographs)


if __name__ == "__main__":
    main()
