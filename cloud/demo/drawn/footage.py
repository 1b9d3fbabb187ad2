"""Draw the demo's footage as video segments in the cameras' folders, as a recorder would.

Runs as a process of its own (`python -m cloud.demo.drawn.footage`), so that drawing does not slow the demo's
threads. A segment is written to another folder, then renamed; its ground truth is in a folder that no node
reads.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from cloud.demo.script import CAMERAS, SEGMENT_FRAMES, DemoProfile, FootagePhase
from synth.street import Truth, read_truth, write_footage

PROFILE = TypeAdapter(DemoProfile)


def camera_folder(work: Path, camera: str) -> Path:
    """The folder of a camera's segments."""
    return work / "footage" / camera


def truths(work: Path, camera: str, phase: FootagePhase, round_number: int) -> list[tuple[Path, Truth]]:
    """Paths of a phase's segments with their ground truth, in order."""
    folder = camera_folder(work, camera)
    return [
        (folder / f"{path.name.removesuffix('.truth.json')}.mp4", read_truth(path))
        for path in sorted((work / "truth" / camera).glob(f"{round_number:02d}-*-{phase}-*.truth.json"))
    ]


def draw_phase(
    work: Path, profile: DemoProfile, phase: FootagePhase, *, round_number: int, cameras: Sequence[str]
) -> None:
    """Draw one phase of one round for these cameras, segment by segment in turn."""
    opened = {c.name: c.open(profile.spawn_per_s) for c in CAMERAS if c.name in cameras}
    start = profile.start_of(phase, round_number)
    place = list(FootagePhase).index(phase)
    for segment in range(profile.segments[phase]):
        for name, camera in opened.items():
            stem = f"{round_number:02d}-{place}-{phase}-{segment:03d}"
            aside = work / "truth" / name / f"{stem}.mp4"
            write_footage(camera, aside, frames=SEGMENT_FRAMES, start=start + segment * SEGMENT_FRAMES)
            target = camera_folder(work, name) / aside.name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(aside, target)


def main() -> None:
    """Command line of the drawing process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--phase", type=FootagePhase, required=True)
    parser.add_argument("--round", type=int, default=0)
    parser.add_argument("--cameras", nargs="+", required=True)
    parser.add_argument("--profile", type=PROFILE.validate_json, required=True, help="as JSON")
    given = parser.parse_args()
    draw_phase(given.work, given.profile, given.phase, round_number=given.round, cameras=given.cameras)


if __name__ == "__main__":
    main()
