"""Hazard-free scenes to inpaint: photographs from a folder, or drawn streets.

A background is a function of seed and index, so that a stopped run can continue. Images are BGR uint8
(h, w, 3). Nothing here depends on hazards, orders or models.
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import ImageRefused
from edge.vision.conditions import frame_conditions
from edge.vision.image_files import IMAGE_SUFFIXES, MAX_FILE_BYTES, decode_image
from messaging.errors import FileFault
from messaging.runtime.text_files import read_bytes
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

logger = logging.getLogger(__name__)

_OTHER_IMAGES = (".heic", ".heif", ".avif", ".gif", ".jfif", ".jp2", ".raw", ".dng", ".svg")
_FAULTS_NAMED = 10
_MIN_SIDE_PX = 32
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


@dataclass(frozen=True)
class _Photograph:
    """A readable image of the folder: its path, the sha256 hex of its file, and its light."""

    path: Path
    digest: str
    light: Light


class FolderBackgrounds:
    """Photographs of a folder, cropped to the wanted shape and mirrored at random."""

    def __init__(self, folder: Path) -> None:
        """Read every image once; those that cannot be used are counted, named and passed over.

        Raises `BackgroundsMissing` when none is left.
        """
        paths = _image_paths(folder)
        self._photographs: list[_Photograph] = []
        faults: list[str] = []
        for path in paths:
            try:
                self._photographs.append(_photograph(path))
            except BackgroundsMissing as fault:
                faults.append(str(fault))
        if not self._photographs:
            raise BackgroundsMissing(
                f"none of the {len(paths)} images in {folder} can be used ({faults[0]}); give a folder of "
                "hazard-free images or leave it out to use drawn streets"
            )
        for named in faults[:_FAULTS_NAMED]:
            logger.warning("background passed over: %s", named)
        if faults:
            logger.warning("%d of %d backgrounds in %s are passed over", len(faults), len(paths), folder)
        names = "\n".join(f"{p.path.relative_to(folder).as_posix()} {p.digest}" for p in self._photographs)
        self._digest = hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()

    @property
    def identity(self) -> str:
        """Names the usable images by their names and contents."""
        return f"folder:{self._digest[:16]}"

    def get(self, seed: int, index: int, *, condition: Condition, width: int, height: int) -> Background:
        """Every photograph of the wanted light once before any comes again; the weather is as it comes.

        Where no photograph shows the wanted light for certain, those of uncertain light serve.
        """
        photographs = self._of_light(condition.light)
        turn, position = divmod(index, len(photographs))
        order = np.random.default_rng([seed, turn, 3]).permutation(len(photographs))
        photograph = photographs[int(order[position])]
        data = _bytes(photograph.path)
        if hashlib.sha256(data).hexdigest() != photograph.digest:
            raise BackgroundsMissing(
                f"background {photograph.path} changed during the run; leave the folder as it is and run the "
                "order again in another folder"
            )
        cropped = _crop(_image(data, photograph.path), width, height, np.random.default_rng([seed, index, 4]))
        return Background(
            image=cropped,
            identity=f"{self.identity}:{photograph.digest[:16]}",
            sensor=estimate(cropped),
            from_camera=True,
            ground=Ground(),
            medium=Medium.PHOTOGRAPH,
        )

    def _of_light(self, light: Light) -> list[_Photograph]:
        if light is Light.UNKNOWN:
            return self._photographs
        for accepted in (light, Light.UNKNOWN):
            if chosen := [p for p in self._photographs if p.light is accepted]:
                return chosen
        raise BackgroundsMissing(
            f"none of the {len(self._photographs)} background images was taken at {light}; add some, "
            "or leave the folder out to use drawn streets"
        )


def _image_paths(folder: Path) -> list[Path]:
    """Image files of a folder and its folders, by suffix. Raises `BackgroundsMissing` when there is none."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise BackgroundsMissing(
            f"backgrounds {folder}: the folder {what}; give a folder of hazard-free images or leave it out "
            "to use drawn streets"
        )
    found = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("._")]
    paths = sorted(p for p in found if p.suffix.lower() in IMAGE_SUFFIXES)
    others = sorted(p for p in found if p.suffix.lower() in _OTHER_IMAGES)
    if others:
        logger.warning(
            "%d images in %s are of a format that is not read and are passed over, %s for instance; save "
            "them as JPEG or PNG",
            len(others),
            folder,
            others[0].name,
        )
    if not paths:
        raise BackgroundsMissing(
            f"{folder} holds no images to inpaint; give a folder of hazard-free images or leave it out to "
            "use drawn streets"
        )
    return paths


def _photograph(path: Path) -> _Photograph:
    data = _bytes(path)
    image = _image(data, path)
    if min(image.shape[:2]) < _MIN_SIDE_PX:
        raise BackgroundsMissing(
            f"{path} has {image.shape[1]} x {image.shape[0]} pixels; at least {_MIN_SIDE_PX} a side are "
            "needed"
        )
    return _Photograph(path, hashlib.sha256(data).hexdigest(), frame_conditions(image).light)


def _bytes(path: Path) -> bytes:
    try:
        return read_bytes(path, limit_bytes=MAX_FILE_BYTES)
    except FileFault as fault:
        raise BackgroundsMissing(f"background {fault}") from None


def _image(data: bytes, path: Path) -> Image:
    try:
        return decode_image(data, str(path))
    except ImageRefused as error:
        raise BackgroundsMissing(f"background {error}") from None


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
