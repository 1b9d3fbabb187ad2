"""Square patches cut around planned boxes, and the masks inside which they are inpainted.

Used in production and in the training of the bundled model alike, so that both see the same geometry. Images
are BGR uint8 (h, w, 3), masks bool (h, w), boxes xyxy in pixels. Nothing here reads pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]

MIN_PATCH_SIDE_PX = 48
MASK_GROWTH = 0.08
_LARGE_PATCH_PX = 256


@dataclass(frozen=True)
class WindowRule:
    """How large the window around a planned box is, in sides of the box.

    Attributes:
        per_box: lowest and highest side of the window over the longer side of the box.
        tight: the same for boxes of at least `tight_from_px`.
        tight_from_px: longer side of a box, image pixels.
        min_side_px: smallest side of a window, image pixels.
    """

    per_box: tuple[float, float]
    tight: tuple[float, float]
    tight_from_px: float
    min_side_px: int

    def per_box_of(self, longer_px: float) -> tuple[float, float]:
        """Lowest and highest side of the window of a box with this longer side, over that side."""
        return self.per_box if longer_px < self.tight_from_px else self.tight


# Small patches are enlarged when they are pasted, so larger boxes get tighter windows.
SMALL_PATCHES = WindowRule(
    per_box=(1.55, 2.6), tight=(1.5, 1.75), tight_from_px=48.0, min_side_px=MIN_PATCH_SIDE_PX
)
# Large models need the street around a hazard, and a mask of at least a fifth of the patch.
LARGE_PATCHES = WindowRule(per_box=(2.4, 4.0), tight=(2.0, 3.0), tight_from_px=128.0, min_side_px=80)


def window_rule(patch_px: int) -> WindowRule:
    """The rule for a generator with patches of this side."""
    return LARGE_PATCHES if patch_px >= _LARGE_PATCH_PX else SMALL_PATCHES


@dataclass(frozen=True)
class PatchWindow:
    """A square inside an image: left and top edge and side, in pixels of the image."""

    left: int
    top: int
    side: int

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels inside, (side, side, 3); a view, not a copy."""
        return image[self.top : self.top + self.side, self.left : self.left + self.side]

    def to_patch(self, xyxy: Box, patch_px: int) -> Box:
        """Convert a box from image pixels to pixels of the patch resized to `patch_px`."""
        scale = patch_px / self.side
        x1, y1, x2, y2 = xyxy
        return (
            (x1 - self.left) * scale, (y1 - self.top) * scale,
            (x2 - self.left) * scale, (y2 - self.top) * scale,
        )  # fmt: skip

    def to_image(self, xyxy: Box, patch_px: int) -> Box:
        """Convert a box from patch pixels to image pixels; the inverse of `to_patch`."""
        scale = self.side / patch_px
        x1, y1, x2, y2 = xyxy
        return x1 * scale + self.left, y1 * scale + self.top, x2 * scale + self.left, y2 * scale + self.top


def patch_window(
    xyxy: Box,
    width: int,
    height: int,
    *,
    per_box: float = 2.0,
    shift: tuple[float, float] = (0.0, 0.0),
    min_side: int = MIN_PATCH_SIDE_PX,
) -> PatchWindow:
    """The window around a planned box in an image of `width` x `height` pixels.

    Its side is `per_box` (1.5 to 4) times the longer box side, at least `min_side` px, at most the shorter
    side of the image; `shift` moves its centre by a fraction (-0.5 to 0.5) of the margin around the box.
    """
    x1, y1, x2, y2 = xyxy
    longer = max(x2 - x1, y2 - y1)
    side = min(max(round(per_box * longer), min_side), width, height)
    margin_x, margin_y = max(side - (x2 - x1), 0.0), max(side - (y2 - y1), 0.0)
    left = (x1 + x2 - side) / 2 + shift[0] * margin_x
    top = (y1 + y2 - side) / 2 + shift[1] * margin_y
    return PatchWindow(round(min(max(left, 0), width - side)), round(min(max(top, 0), height - side)), side)


def inpainting_mask(xyxy: Box, patch_px: int, *, growth: float = MASK_GROWTH) -> Mask:
    """The box (patch pixels) grown by `growth` of its longer side, at least one pixel, as (p, p) bool."""
    x1, y1, x2, y2 = xyxy
    margin = max(growth * max(x2 - x1, y2 - y1), 1.0)
    mask = np.zeros((patch_px, patch_px), np.bool_)
    top, bottom = max(int(np.floor(y1 - margin)), 0), min(int(np.ceil(y2 + margin)), patch_px)
    left, right = max(int(np.floor(x1 - margin)), 0), min(int(np.ceil(x2 + margin)), patch_px)
    mask[top:bottom, left:right] = True
    return mask
