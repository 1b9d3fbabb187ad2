"""Drawn footage on disk: an MP4, and the ground truth of every frame as JSON beside it.

The ground truth is for final tables only; no training may read it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2

from messaging.errors import ConfigurationError
from messaging.taxonomy import Condition
from synth.street.camera import StreetCamera


@dataclass(frozen=True)
class FootageBox:
    """One hazard on one frame: class, tight box in pixels, and the track it belongs to."""

    class_name: str
    xyxy: tuple[float, float, float, float]
    track: int


@dataclass(frozen=True)
class Truth:
    """The ground truth of a piece of footage; `frames[i]` are the boxes of frame i."""

    fps: float
    width: int
    height: int
    condition: Condition
    classes: tuple[str, ...]
    frames: tuple[tuple[FootageBox, ...], ...]

    def tracks(self, class_name: str | None = None) -> frozenset[int]:
        """Track numbers of a class (None: of all)."""
        return frozenset(
            b.track for boxes in self.frames for b in boxes if class_name in (None, b.class_name)
        )


def truth_path(footage: Path) -> Path:
    """Path of the truth of `street.mp4`: `street.truth.json` beside it."""
    return footage.with_name(f"{footage.stem}.truth.json")


def write_footage(camera: StreetCamera, path: Path, *, frames: int, start: int = 0) -> Path:
    """Write `frames` frames from number `start` on as MP4 at the camera's rate, and the truth beside it.

    Raises `ConfigurationError` when OpenCV cannot write an MP4 there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), camera.fps, camera.size)
    if not writer.isOpened():
        raise ConfigurationError(
            f"OpenCV cannot write {path}: choose a writable folder and a name ending in .mp4"
        )
    truth = []
    try:
        for frame in camera.frames(frames, start):
            writer.write(frame.image)
            boxes = [{"class": b.class_name, "xyxy": list(b.xyxy), "track": b.track} for b in frame.boxes]
            truth.append({"index": frame.index, "boxes": boxes})
    finally:
        writer.release()
    document = {
        "fps": camera.fps,
        "width": camera.size[0],
        "height": camera.size[1],
        "condition": camera.condition.key,
        "classes": list(camera.classes),
        "frames": truth,
    }
    truth_path(path).write_text(json.dumps(document))
    return path


def read_truth(path: Path) -> Truth:
    """The truth beside a piece of footage; `path` is the MP4 or the JSON.

    Raises `ConfigurationError` when it is absent or is not a truth file.
    """
    source = path if path.suffix == ".json" else truth_path(path)
    try:
        raw = json.loads(source.read_text())
        frames = tuple(
            tuple(_true_box(b) for b in frame["boxes"])
            for frame in sorted(raw["frames"], key=lambda f: f["index"])
        )
        return Truth(
            fps=float(raw["fps"]),
            width=int(raw["width"]),
            height=int(raw["height"]),
            condition=Condition.parse(raw["condition"]),
            classes=tuple(raw["classes"]),
            frames=frames,
        )
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ConfigurationError(
            f"{source} is not the truth of drawn footage ({fault}); draw it again"
        ) from fault


def _true_box(raw: dict[str, object]) -> FootageBox:
    xyxy = raw["xyxy"]
    if not isinstance(xyxy, list) or len(xyxy) != 4:
        raise ValueError(f"a box needs four numbers, got {xyxy!r}")
    left, top, right, bottom = (float(v) for v in xyxy)
    return FootageBox(str(raw["class"]), (left, top, right, bottom), int(str(raw["track"])))
