"""Frame -> condition tags (light, weather, sharpness), and the size and region of a box in it.

Two small linear classifiers over image statistics of a 320-pixel image (tables and how they were fitted:
`edge.vision.condition_tables`). The tag is `unknown` if no tag reaches `LEAST_PROBABILITY`. `ConditionMemory`
smooths the tags of one camera over time. Pure functions; images are (h, w, 3) uint8 BGR, boxes pixels.
"""

from collections import Counter, deque
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.condition_tables import LIGHT_TABLE, WEATHER_TABLE, LinearTable
from edge.vision.detections import Floats
from messaging.reports import ConditionTags
from messaging.taxonomy import Condition, Light, RegionBin, Sharpness, SizeBin, Weather

Image = npt.NDArray[np.uint8]
Tag = TypeVar("Tag", Light, Weather, Sharpness)

LEAST_PROBABILITY = 0.5
_WIDTH = 320
_HEIGHTS = (8, 4 * _WIDTH)
_STEP_CLIP = 25.0
_SHARP_RATIO = 0.212
_BLURRED_RATIO = 0.2
_FAR_OUT = 4.0
_SIZE_LIMITS = ((0.04, SizeBin.TINY), (0.10, SizeBin.SMALL), (0.25, SizeBin.MEDIUM))
_REGIONS = (
    (RegionBin.TOP_LEFT, RegionBin.TOP, RegionBin.TOP_RIGHT),
    (RegionBin.LEFT, RegionBin.MIDDLE, RegionBin.RIGHT),
    (RegionBin.BOTTOM_LEFT, RegionBin.BOTTOM, RegionBin.BOTTOM_RIGHT),
)


@dataclass(frozen=True)
class FrameConditions:
    """The condition of a whole frame."""

    light: Light = Light.UNKNOWN
    weather: Weather = Weather.UNKNOWN
    sharpness: Sharpness = Sharpness.UNKNOWN

    @property
    def condition(self) -> Condition:
        """The part that names a failure mode."""
        return Condition(self.light, self.weather)


def frame_conditions(image: Image) -> FrameConditions:
    """Tags of one frame by itself, about 2 ms; `ConditionMemory` smooths them."""
    values = image_statistics(image)
    light = _decide(LIGHT_TABLE, light_features(values))
    weather = _decide(WEATHER_TABLE, weather_features(values))
    return FrameConditions(
        Light.UNKNOWN if light is None else Light(light),
        Weather.UNKNOWN if weather is None else Weather(weather),
        _sharpness(values["edge_ratio"]),
    )


class ConditionMemory:
    """The condition of one camera: the tag of most of the last `frames` frames, `unknown` not counted.

    Conditions change within minutes, so frames within `interval_s` of the last evaluated one get the same
    tags without another evaluation.
    """

    def __init__(self, *, frames: int = 15, interval_s: float = 1.0) -> None:
        self._light: deque[Light] = deque(maxlen=frames)
        self._weather: deque[Weather] = deque(maxlen=frames)
        self._sharpness: deque[Sharpness] = deque(maxlen=frames)
        self._interval_s, self._last_s = interval_s, -np.inf
        self._steady = FrameConditions()

    def observe(self, image: Image, time_s: float) -> FrameConditions:
        """Smoothed tags after this frame, at `time_s` seconds."""
        if 0 <= time_s - self._last_s < self._interval_s:
            return self._steady
        self._last_s = time_s
        now = frame_conditions(image)
        self._light.append(now.light)
        self._weather.append(now.weather)
        self._sharpness.append(now.sharpness)
        self._steady = FrameConditions(
            _majority(self._light, Light.UNKNOWN),
            _majority(self._weather, Weather.UNKNOWN),
            _majority(self._sharpness, Sharpness.UNKNOWN),
        )
        return self._steady


def box_tags(tags: FrameConditions, xyxy: Floats, width: int, height: int) -> ConditionTags:
    """Tags of a frame and of a box (4,) in pixels of a frame of this size."""
    return ConditionTags(
        light=tags.light,
        weather=tags.weather,
        sharpness=tags.sharpness,
        size=size_bin(xyxy, width, height),
        region=region_bin(xyxy, width, height),
    )


def size_bin(xyxy: Floats, width: int, height: int) -> SizeBin:
    """Size bin by the longer side of the box as a fraction of the longer side of the frame."""
    fraction = float(max(xyxy[2] - xyxy[0], xyxy[3] - xyxy[1])) / max(width, height)
    return next((size for limit, size in _SIZE_LIMITS if fraction < limit), SizeBin.LARGE)


def region_bin(xyxy: Floats, width: int, height: int) -> RegionBin:
    """The ninth of the frame that contains the box's centre; centres outside count to the nearest."""
    x, y = float(xyxy[0] + xyxy[2]) / 2 / width, float(xyxy[1] + xyxy[3]) / 2 / height
    return _REGIONS[min(max(int(3 * y), 0), 2)][min(max(int(3 * x), 0), 2)]


def image_statistics(image: Image) -> dict[str, float]:
    """The numbers that both tables read: brightness, colour, edges, fine texture, streaks and dots."""
    height = min(max(_HEIGHTS[0], round(image.shape[0] * _WIDTH / image.shape[1])), _HEIGHTS[1])
    small = np.asarray(cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    return {**_brightness(grey), **_colour(small), **_edges(grey), **_texture(grey)}


def light_features(values: dict[str, float]) -> npt.NDArray[np.float64]:
    """(14,): ten statistics of brightness and colour, and the squares of four grey levels by 100."""
    names = ("mean", "q10", "q50", "q90", "dark", "saturation", "bright", "top50", "top90", "purple")
    plain = np.asarray([values[n] for n in names])
    return np.concatenate([plain, (plain[:4] / 100) ** 2])


def weather_features(values: dict[str, float]) -> npt.NDArray[np.float64]:
    """(12,): contrast, fine texture, upright streaks, dots."""
    names = (
        "mean",
        "q50",
        "dark",
        "edge_x",
        "edge_y",
        "fine_x",
        "streak",
        "across",
        "skew_y",
        "tall",
        "dots",
        "laplacian",
    )
    return np.asarray([values[n] for n in names])


def _brightness(grey: Image) -> dict[str, float]:
    """Grey levels of the image, and of its top third, where a street has its sky."""
    below, top = _cumulative(grey), _cumulative(grey[: len(grey) // 3])
    q10, q50, q90 = (float(np.searchsorted(below, q)) for q in (0.1, 0.5, 0.9))
    top50, top90 = (float(np.searchsorted(top, q)) for q in (0.5, 0.9))
    return {
        "mean": float(grey.mean()),
        "q10": q10,
        "q50": q50,
        "q90": q90,
        "dark": float(below[50]),
        "bright": float(1 - below[200]),
        "top50": top50,
        "top90": top90,
    }


def _cumulative(grey: Image) -> npt.NDArray[np.float32]:
    """(256,) fraction of pixels up to each grey level."""
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    return np.asarray(np.cumsum(counts) / counts.sum(), np.float32)


def _colour(small: Image) -> dict[str, float]:
    """Mean saturation, and the fraction of pixels more red and more blue than green: the sky of dusk."""
    tiny = cv2.resize(small, (80, max(4, small.shape[0] // 4)), interpolation=cv2.INTER_AREA)
    most, least = tiny.max(axis=2).astype(np.float32), tiny.min(axis=2).astype(np.float32)
    purple = np.minimum(tiny[..., 0], tiny[..., 2]) > tiny[..., 1]
    return {"saturation": float(((most - least) / (most + 8)).mean()), "purple": float(purple.mean())}


def _edges(grey: Image) -> dict[str, float]:
    """Mean steps across 4 pixels, and how much of the strongest 6-pixel steps is within one pixel."""
    soft = cv2.GaussianBlur(grey, (0, 0), 1.5).astype(np.float32)
    across, down = np.abs(soft[:, 4:] - soft[:, :-4]).mean(), np.abs(soft[4:] - soft[:-4]).mean()
    one = float(np.partition(np.abs(soft[::2, 1:] - soft[::2, :-1]).ravel(), -400)[-400])
    six = float(np.partition(np.abs(soft[::2, 6:] - soft[::2, :-6]).ravel(), -400)[-400])
    return {
        "edge_x": float(np.log(across + 0.1)),
        "edge_y": float(np.log(down + 0.1)),
        "edge_ratio": one / six if six > 12 else 0.0,
    }


def _texture(grey: Image) -> dict[str, float]:
    """Second differences along x keep their sign from row to row in upright streaks (rain)."""
    plane = grey.astype(np.float32)
    fine_x = np.clip(2 * plane[:, 1:-1] - plane[:, :-2] - plane[:, 2:], -_STEP_CLIP, _STEP_CLIP)
    fine_y = np.clip(2 * plane[1:-1] - plane[:-2] - plane[2:], -_STEP_CLIP, _STEP_CLIP)
    energy_x, energy_y = float((fine_x * fine_x).mean()) + 1e-6, float((fine_y * fine_y).mean()) + 1e-6
    top_x = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((1, 5), np.uint8))
    top = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((5, 5), np.uint8))
    tall = cv2.erode(top_x, np.ones((5, 1), np.uint8))
    return {
        "fine_x": float(np.log(energy_x + 0.1)),
        "streak": float((fine_x[:-5] * fine_x[5:]).mean()) / energy_x,
        "across": float((fine_y[:, :-2] * fine_y[:, 2:]).mean()) / energy_y,
        "skew_y": float((fine_y * fine_y * fine_y).mean()) / (energy_y**1.5 + 1e-6),
        "tall": float((tall > 4).mean()),
        "dots": float((top > 25).mean()),
        "laplacian": float(np.log(cv2.Laplacian(plane, cv2.CV_32F).var() + 1)),
    }


def _decide(table: LinearTable, features: npt.NDArray[np.float64]) -> str | None:
    """The most probable tag (softmax of linear scores), None below the least probability."""
    scaled = np.clip((features - table.centre) / table.spread, -_FAR_OUT, _FAR_OUT)
    scores = np.asarray(table.weights) @ scaled + table.offset
    probability = np.exp(scores - scores.max())
    probability /= probability.sum()
    best = int(probability.argmax())
    return table.tags[best] if probability[best] >= LEAST_PROBABILITY else None


def _sharpness(edge_ratio: float) -> Sharpness:
    if edge_ratio >= _SHARP_RATIO:
        return Sharpness.SHARP
    return Sharpness.BLURRED if 0 < edge_ratio < _BLURRED_RATIO else Sharpness.UNKNOWN


def _majority(tags: "deque[Tag]", unknown: Tag) -> Tag:
    known = Counter(t for t in tags if t is not unknown)
    if not known or 3 * known.total() < len(tags):
        return unknown
    return known.most_common(1)[0][0]
