"""Draws what the demo's campaigns learn from and are judged by, and enters it in the cloud's datasets.

Replay is of the world and the conditions that the shipped detector learned; the holdout is of a world that
nobody learned from. Runs as a process of its own (`python -m cloud.demo.drawn_sets`) while the cameras are
watched.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from cloud.datasets import DataRole, DatasetRegister
from cloud.settings import DataFolder
from cloud.starting_detector.scenes import BASE_TRAINING, TRIAL, draw_folder


def draw_sets(cloud: Path, work: Path, *, replay: int, holdout: int) -> None:
    """Draw so many images of each role below `work` and take them into the data folder `cloud`."""
    register = DatasetRegister(DataFolder(cloud).datasets)
    for role, scenes, count in (
        (DataRole.REPLAY, BASE_TRAINING, replay),
        (DataRole.HOLDOUT, TRIAL, holdout),
    ):
        register.add(draw_folder(replace(scenes, count=count), work / role), role, f"drawn-{role}")


def main() -> None:
    """Command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cloud", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--replay", type=int, required=True)
    parser.add_argument("--holdout", type=int, required=True)
    given = parser.parse_args()
    draw_sets(given.cloud, given.work, replay=given.replay, holdout=given.holdout)


if __name__ == "__main__":
    main()
