"""Draws what the demo's campaigns learn from and are judged by, and enters it in the cloud's datasets.

Replay is of the world and the conditions that the shipped detector learned; thresholds are chosen on scenes
of four worlds; the holdout is of a world that nobody learned from. Runs as a process of its own
(`python -m cloud.demo.drawn.sets`) while the cameras are watched.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cloud.data.datasets import DataRole, DatasetRegister
from cloud.settings import DataFolder
from cloud.starting_detector.scenes import BASE_TRAINING, CAMPAIGN_CALIBRATION, HOLDOUT, draw_folder

SCENES = {
    DataRole.REPLAY: (BASE_TRAINING,),
    DataRole.CALIBRATION: CAMPAIGN_CALIBRATION,
    DataRole.HOLDOUT: (HOLDOUT,),
}


def draw_sets(cloud: Path, work: Path, counts: Mapping[DataRole, int]) -> None:
    """Draw so many images of each role below `work` and take them into the data folder `cloud`."""
    register = DatasetRegister(DataFolder(cloud).datasets)
    for role, count in counts.items():
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
    given = parser.parse_args()
    draw_sets(given.cloud, given.work, {role: getattr(given, role) for role in SCENES})


if __name__ == "__main__":
    main()
