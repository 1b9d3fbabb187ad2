"""The seam between an order and an image model: patches with a hole in, painted patches out.

A generator paints inside the mask of a square patch cut around a planned box; `patch_window` and
`paint_mask` are how such a patch is cut, in production as in the training of the bundled model. Images
are BGR uint8 (h, w, 3). Nothing here knows diffusers; a generator never sees an order or a label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from messaging.errors import ConfigurationError

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]

PROTOTYPE_WIDTH = 64
MIN_PATCH_SIDE_PX = 48
MASK_GROWTH = 0.08


@dataclass(frozen=True)
class GeneratorCard:
    """Which model paints: its name, the digest of its files (or the hub revision), its licence."""

    name: str
    digest: str
    licence: str


@dataclass(frozen=True)
class Provenance:
    """How one painting came to be; enough to paint it again with the same model."""

    generator: str
    digest: str
    licence: str
    prompt: str
    seed: int
    steps: int
    guidance: float
    prototype: bool


@dataclass(frozen=True, eq=False)
class PatchRequest:
    """One patch to paint.

    Attributes:
        prompt: what to paint, in words of `synth.prompts`.
        patch: (p, p, 3) uint8 BGR background, p being the generator's `patch_px`.
        mask: (p, p) bool, True where to paint.
        seed: the painting's whole randomness, 0 to 2**63 - 1.
        prototype: (64,) float32 mean embedding to lean towards, of any length (L2-normalised inside).
        guided: whether the prompt is to be exaggerated (classifier-free guidance, twice the work); an empty
            street needs none.
    """

    prompt: str
    patch: Image
    mask: Mask
    seed: int
    prototype: NDArray[np.float32] | None = None
    guided: bool = True

    def __post_init__(self) -> None:
        side = self.patch.shape[0]
        if self.patch.shape != (side, side, 3) or self.patch.dtype != np.uint8:
            raise ConfigurationError(
                f"a patch must be square BGR uint8 (p, p, 3); got {self.patch.shape} {self.patch.dtype}"
            )
        if self.mask.shape != (side, side) or self.mask.dtype != np.bool_ or not self.mask.any():
            raise ConfigurationError(
                f"a mask must be bool ({side}, {side}) with something to paint; "
                f"got {self.mask.shape} {self.mask.dtype}, {int(self.mask.sum())} pixels"
            )
        if self.prototype is not None and self.prototype.shape != (PROTOTYPE_WIDTH,):
            raise ConfigurationError(
                f"a prototype must have shape ({PROTOTYPE_WIDTH},); got {self.prototype.shape}"
            )
        if not 0 <= self.seed < 2**63:
            raise ConfigurationError(f"a seed must be between 0 and 2**63 - 1; got {self.seed}")


@dataclass(frozen=True, eq=False)
class PaintedPatch:
    """The whole patch as the model sees it, (p, p, 3) uint8 BGR; only the masked part is worth pasting."""

    image: Image
    provenance: Provenance


class Generator(Protocol):
    """Anything that paints patches. The same request gives the same painting, whatever its company."""

    @property
    def patch_px(self) -> int:
        """Side of the patches that it paints, pixels."""

    @property
    def card(self) -> GeneratorCard:
        """Which model this is."""

    def paint(self, requests: Sequence[PatchRequest]) -> list[PaintedPatch]:
        """One painting a request, in order. Raises `SynthesisError` when it cannot paint."""

    def reconstruct(self, patches: Sequence[Image]) -> list[Image]:
        """The patches through the model's autoencoder and back: hazard-free controls with its texture."""


@dataclass(frozen=True)
class PatchWindow:
    """A square cut out of a larger picture: its corner and side in picture pixels."""

    left: int
    top: int
    side: int

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels inside, a view of (side, side, 3)."""
        return image[self.top : self.top + self.side, self.left : self.left + self.side]

    def to_patch(self, xyxy: Box, patch_px: int) -> Box:
        """A box in picture pixels -> the same box in pixels of the patch resized to `patch_px`."""
        scale = patch_px / self.side
        x1, y1, x2, y2 = xyxy
        return (
            (x1 - self.left) * scale, (y1 - self.top) * scale,
            (x2 - self.left) * scale, (y2 - self.top) * scale,
        )  # fmt: skip

    def to_picture(self, xyxy: Box, patch_px: int) -> Box:
        """The reverse of `to_patch`."""
        scale = self.side / patch_px
        x1, y1, x2, y2 = xyxy
        return x1 * scale + self.left, y1 * scale + self.top, x2 * scale + self.left, y2 * scale + self.top


def patch_window(
    xyxy: Box, width: int, height: int, *, per_box: float = 2.0, shift: tuple[float, float] = (0.0, 0.0)
) -> PatchWindow:
    """The window around a planned box in a picture of `width` x `height` pixels.

    Its side is `per_box` (1.5 to 3) times the longer box side, at least 48 px, at most the shorter
    picture side; `shift` moves its centre by a share (-0.5 to 0.5) of the room around the box.
    """
    x1, y1, x2, y2 = xyxy
    longer = max(x2 - x1, y2 - y1)
    side = min(max(round(per_box * longer), MIN_PATCH_SIDE_PX), width, height)
    room_x, room_y = max(side - (x2 - x1), 0.0), max(side - (y2 - y1), 0.0)
    left = (x1 + x2 - side) / 2 + shift[0] * room_x
    top = (y1 + y2 - side) / 2 + shift[1] * room_y
    return PatchWindow(round(min(max(left, 0), width - side)), round(min(max(top, 0), height - side)), side)


def paint_mask(xyxy: Box, patch_px: int, *, growth: float = MASK_GROWTH) -> Mask:
    """The box (patch pixels) grown by `growth` of its longer side, at least one pixel, as (p, p) bool."""
    x1, y1, x2, y2 = xyxy
    margin = max(growth * max(x2 - x1, y2 - y1), 1.0)
    mask = np.zeros((patch_px, patch_px), np.bool_)
    top, bottom = max(int(np.floor(y1 - margin)), 0), min(int(np.ceil(y2 + margin)), patch_px)
    left, right = max(int(np.floor(x1 - margin)), 0), min(int(np.ceil(x2 + margin)), patch_px)
    mask[top:bottom, left:right] = True
    return mask
