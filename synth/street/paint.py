"""Draw sprites into an image: supersampled sketches, a depth buffer, light, fog and glows.

A `Canvas` holds the lit image as float32 grey levels and the depth of what was painted last, so that
static layers can be cached and moving things still vanish behind them.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.street.texture import disc, scalar, thrice

Colour = tuple[float, float, float]
Points = NDArray[np.float32]

_SHIFT = 4
_ONE = 1 << _SHIFT
_SATURATION = 1 / 210


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A BGR colour 0..255 from OpenCV's hue 0..179, saturation and value 0..255."""
    blue, green, red = cv2.cvtColor(np.array([[(hue, saturation, value)]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
    return float(blue), float(green), float(red)


def tone(colour: Colour, factor: float) -> Colour:
    """A colour made darker or brighter, at most 255."""
    return min(colour[0] * factor, 255.0), min(colour[1] * factor, 255.0), min(colour[2] * factor, 255.0)


@dataclass(frozen=True, eq=False)
class Sprite:
    """A cut-out at depth `z` metres: colour uint8 (h, w, 3) in that light, alpha float32 (h, w).

    `emission` is light of its own, added after shading. A sprite that is not `solid` hides nothing behind
    it for the purpose of boxes.
    """

    left: int
    top: int
    bgr: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    z: float
    x: float = 0.0
    emission: NDArray[np.uint8] | None = None
    solid: bool = True


class _Stroke(NamedTuple):
    points: Points
    colour: Colour
    emission: Colour | None
    radius: float


@dataclass(eq=False)
class Sketch:
    """Polygons and round strokes in frame pixels, rendered with supersampling into one sprite."""

    strokes: list[_Stroke] = field(default_factory=list)

    def polygon(self, points: Points, colour: Colour, emission: Colour | None = None) -> None:
        """A filled polygon (n, 2)."""
        self.strokes.append(_Stroke(points, colour, emission, 0.0))

    def line(self, points: Points, radius: float, *, colour: Colour, emission: Colour | None = None) -> None:
        """A round stroke of this radius through the points (n, 2); one point makes a disc."""
        self.strokes.append(_Stroke(points, colour, emission, max(radius, 0.3)))

    def render(self, frame: tuple[int, int], z: float, *, x: float = 0.0) -> Sprite | None:
        """The sprite, cut to the frame (width, height); None when nothing of it is inside."""
        if not self.strokes:
            return None
        points = np.concatenate([s.points for s in self.strokes])
        left, top, right, bottom = _bounds(points, max(s.radius for s in self.strokes), frame=frame)
        if right <= left or bottom <= top:
            return None
        over = 3 if max(right - left, bottom - top) < 60 else 2
        shape, small = ((bottom - top) * over, (right - left) * over), (right - left, bottom - top)
        drawn = np.zeros((*shape, 4), np.uint8)
        glow = np.zeros((*shape, 3), np.uint8) if any(s.emission for s in self.strokes) else None
        self._draw(((points - (left, top)) * (over * _ONE)).round().astype(np.int32), over, drawn, glow)
        shrunk = cv2.resize(drawn, small, interpolation=cv2.INTER_AREA)
        alpha = shrunk[..., 3].astype(np.float32) * np.float32(1 / 255)
        full = np.minimum(shrunk[..., :3] / np.maximum(alpha, 0.05)[..., None], 255).astype(np.uint8)
        light = None
        if glow is not None:
            light = np.asarray(cv2.resize(glow, small, interpolation=cv2.INTER_AREA), np.uint8)
        return Sprite(left, top, full, alpha, z, x=x, emission=light)

    def _draw(
        self, points: NDArray[np.int32], over: int, drawn: NDArray[np.uint8], glow: NDArray[np.uint8] | None
    ) -> None:
        """All strokes in order; `points` are theirs one after the other, in 1/16 of a supersampled pixel."""
        at = 0
        for stroke in self.strokes:
            part = points[at : at + len(stroke.points)]
            at += len(stroke.points)
            _stroke(drawn, part, radius=stroke.radius * over, value=(*stroke.colour, 255.0))
            if glow is not None:
                _stroke(glow, part, radius=stroke.radius * over, value=stroke.emission or (0.0, 0.0, 0.0))


def _bounds(points: Points, reach: float, *, frame: tuple[int, int]) -> tuple[int, int, int, int]:
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    left, top = max(int(x0 - reach) - 1, 0), max(int(y0 - reach) - 1, 0)
    return left, top, min(int(x1 + reach) + 2, frame[0]), min(int(y1 + reach) + 2, frame[1])


def _stroke(
    plane: NDArray[np.uint8], points: NDArray[np.int32], *, radius: float, value: tuple[float, ...]
) -> None:
    if radius == 0:
        cv2.fillPoly(plane, [points], value, cv2.LINE_8, _SHIFT)
    elif len(points) == 1:
        x, y = points[0].tolist()
        cv2.circle(plane, (x, y), int(radius * _ONE), value, -1, cv2.LINE_8, _SHIFT)
    else:
        cv2.polylines(plane, [points], False, value, max(round(2 * radius), 1), cv2.LINE_8, _SHIFT)


@dataclass(eq=False)
class Canvas:
    """The lit image, float32 (h, w, 3), 0..255, and the depth of its pixels in metres, float32 (h, w)."""

    image: NDArray[np.float32]
    depth: NDArray[np.float32]

    def copy(self) -> "Canvas":
        """An independent canvas with the same content."""
        return Canvas(self.image.copy(), self.depth.copy())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]

    def paint(self, sprite: Sprite, shade: NDArray[np.float32], *, haze: tuple[float, Colour]) -> None:
        """Blend a sprite in where nothing nearer is; `haze` is transmission 0..1 and the fog's colour."""
        height, width = sprite.alpha.shape
        rows, cols = slice(sprite.top, sprite.top + height), slice(sprite.left, sprite.left + width)
        depth, image = self.depth[rows, cols], self.image[rows, cols]
        alpha = sprite.alpha * (depth >= sprite.z)
        clear, fog = haze
        colour = cv2.multiply(sprite.bgr, scalar(shade, clear), dtype=cv2.CV_32F)
        if sprite.emission is not None:
            colour = cv2.scaleAdd(sprite.emission.astype(np.float32), clear, colour)
        if clear < 1:
            colour = cv2.add(colour, scalar(fog, 1 - clear))
        image += thrice(alpha) * (colour - image)
        if sprite.solid:
            depth[alpha > 0.5] = sprite.z

    def darken(self, centre: tuple[float, float], radii: tuple[float, float], *, amount: float) -> None:
        """A soft shadow on the road: multiplies an ellipse by 1 - amount."""
        patch = self._patch(centre, radii)
        if patch is not None:
            rows, cols, blot = patch
            self.image[rows, cols] *= 1 - thrice(np.minimum(blot * 1.6, 1) * amount)

    def glow(
        self, centre: tuple[float, float], radii: tuple[float, float], *, colour: Colour, lift: float
    ) -> None:
        """Light falling on an ellipse: raises what is there by `lift` times and adds some of `colour`."""
        patch = self._patch(centre, radii)
        if patch is not None:
            rows, cols, blot = patch
            light = cv2.multiply(thrice(blot), scalar(colour, lift / 255.0))
            lit = self.image[rows, cols]
            lit += light * (lit * np.clip(1 - lit * _SATURATION, 0.05, 1) + 6.0)

    def halo(
        self, centre: tuple[float, float], radii: tuple[float, float], *, colour: Colour, strength: float
    ) -> None:
        """Light scattered in air and lens: adds a soft ellipse of `colour`."""
        patch = self._patch(centre, radii)
        if patch is not None:
            rows, cols, blot = patch
            self.image[rows, cols] += cv2.multiply(thrice(blot), scalar(colour, strength))

    def _patch(
        self, centre: tuple[float, float], radii: tuple[float, float]
    ) -> tuple[slice, slice, NDArray[np.float32]] | None:
        width, height = self.size
        left, top = round(centre[0] - radii[0]), round(centre[1] - radii[1])
        wide, tall = max(round(2 * radii[0]), 2), max(round(2 * radii[1]), 2)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + wide, width), min(top + tall, height)
        if x1 <= x0 or y1 <= y0 or wide > 4 * width or tall > 4 * height:
            return None
        blot = np.asarray(cv2.resize(disc(), (wide, tall), interpolation=cv2.INTER_LINEAR), np.float32)
        return slice(y0, y1), slice(x0, x1), blot[y0 - top : y1 - top, x0 - left : x1 - left]
