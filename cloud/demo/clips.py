"""Real clips for a third site of the demo, without ground truth.

At the end both models process them again, so that a campaign which changes what is reported in real footage
is visible.
"""

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cloud.demo.result import ClipRow
from cloud.demo.script import FootagePhase
from cloud.errors import DataRefused
from edge.errors import SourceError
from edge.vision.detector import Detector
from edge.vision.video_files import VIDEO_SUFFIXES, VideoFile

CLIPS_SITE, CLIPS_CAMERA = "west", "clips"
EVERY = 10


def find_clips(folder: Path) -> tuple[Path, ...]:
    """The video files of a folder, by name. Raises `DataRefused` if there is none.

    Only files that are named as videos are opened: OpenCV warns of every other one.
    """
    named = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEO_SUFFIXES]
    found = tuple(path for path in named if path.is_file() and is_video(path))
    if not found:
        raise DataRefused(f"folder {folder} holds no video; give one with mp4, avi or mkv files for --clips")
    return found


def is_video(path: Path) -> bool:
    """Whether a frame of the file can be decoded."""
    try:
        with VideoFile(path) as video:
            return video.read() is not None
    except SourceError:
        return False


def play_clips(clips: Sequence[Path], folder: Path, phase: FootagePhase, round_number: int) -> None:
    """Add the clips of a phase to a camera's folder, as a recorder would.

    All are played while observing and verifying. A site commits a new model after enough frames, so that the
    swap needs some too: those of the first clip.
    """
    if phase in (FootagePhase.OBSERVE, FootagePhase.VERIFY):
        played = clips
    else:
        played = clips[:1] if phase is FootagePhase.SWAP else ()
    place = list(FootagePhase).index(phase)
    for number, clip in enumerate(played):
        name = f"{round_number:02d}-{place}-{phase}-{number:03d}{clip.suffix}"
        aside = folder.parent / name
        shutil.copyfile(clip, aside)
        os.replace(aside, folder / name)


def clip_rows(detectors: Sequence[Detector], clips: Sequence[Path]) -> tuple[ClipRow, ...]:
    """In how many frames (every `EVERY`th) two models report a class; one row a clip and class."""
    return tuple(row for clip in clips for row in _rows_of(detectors, clip))


def _rows_of(detectors: Sequence[Detector], clip: Path) -> list[ClipRow]:
    frames = read = 0
    reported: tuple[Counter[str], ...] = tuple(Counter() for _ in detectors)
    with VideoFile(clip) as video:
        while (frame := video.read()) is not None:
            read += 1
            if (read - 1) % EVERY:
                continue
            frames += 1
            for detector, counts in zip(detectors, reported, strict=True):
                names = detector.description.class_names
                counts.update({names[index] for index in detector.detect([frame.image])[0].class_id})
    before, after = reported
    return [ClipRow(clip.stem, name, frames, before[name], after[name]) for name in sorted(before | after)]
