"""The seam between an order and an image model: patches with a hole in, painted patches out.

A generator paints inside the mask of a square patch cut around a planned box; `patch_window` and
`inpainting_mask` are how such a patch is cut, in production as in the training of the bundled model. Images
are BGR uint8 (h, w, 3). Nothing here knows diffusers; a generator never sees an order or a label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from messaging.errors import ConfigurationError
from synth.planning.patches import Image, Mask

PROTOTYPE_WIDTH = 64


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
        prompt: what to paint, in words of `synth.planning.prompts`.
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
class InpaintedPatch:
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

    def inpaint(self, requests: Sequence[PatchRequest]) -> list[InpaintedPatch]:
        """One painting a request, in order. Raises `SynthesisError` when it cannot paint."""

    def reconstruct(self, patches: Sequence[Image]) -> list[Image]:
        """The patches through the model's autoencoder and back: hazard-free controls with its texture."""
