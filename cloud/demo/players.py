"""Footage of the demo's cameras: drawn phase by phase, or from a source that the user gives.

A player configures the cameras of a site, starts the phases, and reports when the nodes have processed an
observation. Drawing runs in processes of its own. Only drawn footage has a ground truth.
"""

import re
import time
from pathlib import Path
from typing import Any, Protocol

from cloud.demo.clips import CLIPS_CAMERA, CLIPS_SITE, is_video, play_clips
from cloud.demo.drawn.footage import PROFILE, camera_folder
from cloud.demo.fleet import PYTHON
from cloud.demo.script import CAMERAS, SEGMENT_FRAMES, SITES, DemoProfile, FootagePhase
from cloud.errors import DataRefused, DemoFailed
from edge.errors import ImageRefused
from edge.vision.image_files import IMAGE_SUFFIXES, read_image
from messaging.api.sites import CameraResource
from messaging.runtime.child_process import ChildProcess

OWN_OBSERVATION_S = 90.0
_ADDRESS = re.compile(r"[A-Za-z]+:|/dev/")  # of a camera; the node refuses addresses that are none


class Player(Protocol):
    """Provides the footage of a demo's cameras."""

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites."""

    def cameras(self, site: str) -> list[dict[str, Any]]:
        """The camera part of a site's configuration."""

    def begin(self, phase: FootagePhase, round_number: int) -> None:
        """Start a phase; returns at once."""

    def observed(self, cameras: list[CameraResource]) -> bool:
        """Whether the nodes have processed the whole current observation. Raises `DemoFailed`."""

    def stop(self) -> None:
        """Stop what was started."""


class DrawnPlayer:
    """The demo's drawn cameras; segments appear in their folders as if from a recorder.

    Clips, if there are any, are played by the camera of a third site.
    """

    def __init__(self, work: Path, profile: DemoProfile, clips: tuple[Path, ...] = ()) -> None:
        self._work, self._profile, self.clips = work, profile, clips
        self._drawing: list[ChildProcess] = []
        for name in (*(camera.name for camera in CAMERAS), *([CLIPS_CAMERA] if clips else [])):
            camera_folder(work, name).mkdir(parents=True, exist_ok=True)

    @property
    def sites(self) -> tuple[str, ...]:
        """See `Player`."""
        return (*SITES, CLIPS_SITE) if self.clips else SITES

    def cameras(self, site: str) -> list[dict[str, Any]]:
        """See `Player`: the node processes every frame of every drawn segment; clips keep their rate.

        Drawn hazards come and go within seconds, so another one at the same place is another object.
        """
        if site == CLIPS_SITE:
            clips = camera_folder(self._work, CLIPS_CAMERA)
            return [{"name": CLIPS_CAMERA, "source": str(clips), "segments": True, "speed": 1.0}]
        return [
            {
                "name": c.name,
                "source": str(camera_folder(self._work, c.name)),
                "segments": True,
                "speed": None,
                "same_place_s": 5.0,
                "same_place_frames": 1,
            }
            for c in CAMERAS
            if c.site == site
        ]

    def begin(self, phase: FootagePhase, round_number: int) -> None:
        """See `Player`."""
        arguments: list[str | Path] = [PYTHON, "-m", "cloud.demo.drawn.footage", "--work", self._work]
        arguments += [
            "--profile",
            PROFILE.dump_json(self._profile).decode(),
            "--phase",
            phase,
            "--round",
            str(round_number),
        ]
        arguments += ["--cameras", *(camera.name for camera in CAMERAS)]
        self._drawing.append(ChildProcess(arguments, log=self._work / "drawing.log"))
        play_clips(self.clips, camera_folder(self._work, CLIPS_CAMERA), phase, round_number)

    def observed(self, cameras: list[CameraResource]) -> bool:
        """See `Player`: drawing has finished, and the node has processed every frame of every camera."""
        child = self._drawing[-1]
        status = child.poll()
        if status:
            raise DemoFailed(f"drawing footage failed: {child.tail(5)}")
        drawn = SEGMENT_FRAMES * len(list((self._work / "truth" / CAMERAS[0].name).glob("*.truth.json")))
        processed = {camera.camera: camera.frames for camera in cameras}
        return status == 0 and all(processed.get(camera.name, 0) >= drawn for camera in CAMERAS)

    def stop(self) -> None:
        """See `Player`."""
        for child in self._drawing:
            child.kill()


class OwnPlayer:
    """The user's video file, image folder or camera; files are played in a loop at their own rate."""

    sites = (SITES[0],)

    def __init__(self, source: str) -> None:
        """Raises `DataRefused` for a file or folder without images; a camera is checked by the node."""
        if Path(source).exists() or not _ADDRESS.match(source):
            _refuse_without_footage(Path(source))
        self._source = source
        self._observing_since: float | None = None

    def cameras(self, site: str) -> list[dict[str, Any]]:
        """See `Player`."""
        return [{"name": "own", "source": self._source, "speed": 1.0, "loop": True}]

    def begin(self, phase: FootagePhase, round_number: int) -> None:
        """See `Player`; the source continues through all phases."""
        if phase is FootagePhase.OBSERVE:
            self._observing_since = None

    def observed(self, cameras: list[CameraResource]) -> bool:
        """See `Player`: `OWN_OBSERVATION_S` have passed since the first frame."""
        if not any(camera.frames for camera in cameras):
            return False
        self._observing_since = self._observing_since or time.monotonic()
        return time.monotonic() - self._observing_since >= OWN_OBSERVATION_S

    def stop(self) -> None:
        """See `Player`; nothing was started."""


def _refuse_without_footage(path: Path) -> None:
    """Raises `DataRefused` unless the folder holds an image, or the file a frame, that can be decoded."""
    if not path.exists():
        raise DataRefused(f"source {path} does not exist; give a video file, a folder of images or rtsp://…")
    if path.is_dir() and not any(_is_image(file) for file in path.iterdir()):
        raise DataRefused(
            f"folder {path} holds no image that can be decoded; expected {', '.join(IMAGE_SUFFIXES)}, "
            "or name one video file"
        )
    if path.is_file() and not is_video(path):
        raise DataRefused(f"video {path} gives no frame; give an mp4, avi or mkv that OpenCV decodes")


def _is_image(path: Path) -> bool:
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return False
    try:
        read_image(path)
    except ImageRefused:
        return False
    return True
