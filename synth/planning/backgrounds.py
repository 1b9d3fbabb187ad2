"""Hazard-free scenes to inpaint: photographs from a folder, or drawn streets.

A background is a function of seed and index, so that a stopped run can continue. Images are BGR uint8
(h, w, 3). Nothing here depends on hazards, orders or models.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import ImageRefused
from edge.vision.conditions import frame_conditions
from edge.vision.image_files import IMAGE_SUFFIXES, read_image
from messaging.taxonomy import Condition, Light, Weather
from synth.errors import BackgroundsMissing
from synth.planning.layout import Ground
from synth.planning.patches import Image
from synth.planning.prompts import Medium
from synth.sensor import SensorModel, estimate
from synth.street.composer import Street
from synth.street.ground import ground_points
from synth.street.stills import finish_frame, sensor_of
from synth.street.worlds import WORLDS, World, WorldName

_CROP_FRACTION = (0.75, 1.0)
_SAME_SURFACE = 0.01
_FARTHEST_M = 90.0


@dataclass(frozen=True, eq=False)
class Background:
    """One hazard-free scene.

    Attributes:
        image: BGR uint8 (h, w, 3).
        identity: name of the scene in provenance; never a path of this machine.
        sensor: model of the camera that took the image, or that is still to be applied to it.
        from_camera: whether the image already has a camera's blur, noise and compression.
        ground: where hazards can be placed.
        medium: how prompts name this kind of image.
    """

    image: Image
    identity: str
    sensor: SensorModel
    from_camera: bool
    ground: Ground
    medium: Medium


class Backgrounds(Protocol):
    """A source of hazard-free scenes."""

    @property
    def identity(self) -> str:
        """Name of the collection in provenance."""

    def get(self, seed: int, index: int, *, condition: Condition, width: int, height: int) -> Background:
        """Background `index` of a run, of this size in pixels; equal arguments give the same scene.

        Raises `BackgroundsMissing` when there is none for the condition.
        """


class DrawnBackgrounds:
    """Drawn streets of the background world, without sensor noise."""

    def __init__(self, world: WorldName = WorldName.BACKGROUND) -> None:
        self._world: World = WORLDS[world]

    @property
    def identity(self) -> str:
        """Name of the world."""
        return f"drawn:{self._world.name}"

    def get(self, seed: int, index: int, *, condition: Condition, width: int, height: int) -> Background:
        """Another street for every seed and index; unknown light means day, unknown weather clear."""
        rng = np.random.default_rng([seed, index, 2])
        layout = int(rng.integers(2**31 - 1))
        known = Condition(
            Light.DAY if condition.light is Light.UNKNOWN else condition.light,
            Weather.CLEAR if condition.weather is Weather.UNKNOWN else condition.weather,
        )
        street = Street(self._world, layout, known, (width, height))
        canvas, _ = street.compose(float(rng.uniform(0, 20)), ())
        frame = finish_frame(street, canvas, boxes=(), rng=rng, index=0, time_s=0.0, sensor=False)
        return Background(
            image=frame.image,
            identity=f"{self.identity}:{layout}",
            sensor=sensor_of(self._world, known),
            from_camera=False,
            ground=_ground_of(street, canvas.depth),
            medium=Medium.PHOTO,
        )


class FolderBackgrounds:
    """Photographs of a folder, cropped to the wanted shape and mirrored at random."""

    def __init__(self, folder: Path) -> None:
        """Raises `BackgroundsMissing` when the folder has no image."""
        found = folder.rglob("*") if folder.is_dir() else ()
        self._paths = sorted(p for p in found if p.suffix.lower() in IMAGE_SUFFIXES)
        if not self._paths:
            raise BackgroundsMissing(
                f"{folder} holds no images to inpaint; give a folder of hazard-free images or leave it "
                "out to use drawn streets"
            )
        names = "\n".join(f"{p.relative_to(folder)} {p.stat().st_size}" for p in self._paths)
        self._digest = hashlib.sha256(names.encode()).hexdigest()
        self._lights: dict[Path, Light] = {}

    @property
    def identity(self) -> str:
        """Names the folder by its file names and sizes."""
        return f"folder:{self._digest[:16]}"

    def get(self, seed: int, index: int, *, condition: Condition, width: int, height: int) -> Background:
        """Every photograph of the wanted light once before any comes again; the weather is as it comes.

        Where no photograph shows the wanted light for certain, those of uncertain light serve.
        """
        paths = self._paths_of(condition.light)
        turn, position = divmod(index, len(paths))
        order = np.random.default_rng([seed, turn, 3]).permutation(len(paths))
        path = paths[int(order[position])]
        cropped = _crop(_read(path), width, height, np.random.default_rng([seed, index, 4]))
        return Background(
            image=cropped,
            identity=f"{self.identity}:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}",
            sensor=estimate(cropped),
            from_camera=True,
            ground=Ground(),
            medium=Medium.PHOTOGRAPH,
        )

    def _paths_of(self, light: Light) -> list[Path]:
        if light is Light.UNKNOWN:
            return self._paths
        if not self._lights:
            self._lights = {path: frame_conditions(_read(path)).light for path in self._paths}
        for accepted in (light, Light.UNKNOWN):
            if chosen := [path for path in self._paths if self._lights[path] is accepted]:
                return chosen
        raise BackgroundsMissing(
            f"none of the {len(self._paths)} background images was taken at {light}; add some, "
            "or leave the folder out to use drawn streets"
        )


def _read(path: Path) -> Image:
    try:
        return read_image(path)
    except ImageRefused as error:
        raise BackgroundsMissing(f"a background cannot be used: {error}") from None


def _crop(image: Image, width: int, height: int, rng: np.random.Generator) -> Image:
    """A random crop of the wanted shape, resized, mirrored half of the time."""
    tall, wide = image.shape[0], image.shape[1]
    scale = float(rng.uniform(*_CROP_FRACTION)) * min(wide / width, tall / height)
    crop_w, crop_h = max(int(width * scale), 1), max(int(height * scale), 1)
    left, top = int(rng.integers(wide - crop_w + 1)), int(rng.integers(tall - crop_h + 1))
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    cut = cv2.resize(image[top : top + crop_h, left : left + crop_w], (width, height), interpolation=method)
    return np.asarray(cut[:, ::-1] if rng.random() < 0.5 else cut, np.uint8).copy()


def _ground_of(street: Street, depth: NDArray[np.float32]) -> Ground:
    """Visible road and pavement, and the horizon, of a drawn street; `depth` is (h, w), metres."""
    view, road = street.view, street.setting.road
    first, x, z = ground_points(view)
    bare = (np.abs(depth[first:] / np.maximum(z, 1e-3) - 1) < _SAME_SURFACE) & (z < _FARTHEST_M)
    ground_mask, road_mask = np.zeros(depth.shape, np.bool_), np.zeros(depth.shape, np.bool_)
    ground_mask[first:] = bare & (x > road.wall_left + 0.4) & (x < road.wall_right - 0.4)
    road_mask[first:] = bare & (x > road.kerb_left) & (x < road.kerb_right)
    return Ground(view.horizon_y / view.height, ground_mask, road_mask)
