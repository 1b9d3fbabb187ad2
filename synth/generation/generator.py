"""The interface of image models: masked patches in, inpainted patches out.

A generator inpaints inside the mask of a square patch that was cut around a planned box
(`synth.planning.patches`). Images are BGR uint8 (h, w, 3). Nothing here imports diffusers; a generator never
receives an order or a label.
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
    """The model behind a generator: name, digest of its files, licence."""

    name: str
    digest: str
    licence: str


@dataclass(frozen=True)
class Provenance:
    """Everything needed to generate a patch again with the same model."""

    generator: str
    digest: str
    licence: str
    prompt: str
    seed: int
    sampler: str
    steps: int
    guidance: float
    negative_prompt: str
    device: str
    prototype: bool


@dataclass(frozen=True, eq=False)
class PatchRequest:
    """One patch to inpaint.

    Attributes:
        prompt: what to generate, from `synth.planning.prompts`.
        patch: (p, p, 3) uint8 BGR background, p being the generator's `patch_px`.
        mask: (p, p) bool, True where to inpaint.
        seed: the only source of randomness, 0 to 2**63 - 1.
        prototype: (64,) float32 mean embedding to condition on, of any length (L2-normalised inside).
        guided: whether to use classifier-free guidance (twice the work); an empty street needs none.
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
                f"a mask must be bool ({side}, {side}) with at least one pixel to inpaint; "
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
    """The model's whole output, (p, p, 3) uint8 BGR; only the masked part is pasted."""

    image: Image
    provenance: Provenance


class Generator(Protocol):
    """An image model. Equal requests give equal patches, whatever else is in the batch."""

    @property
    def patch_px(self) -> int:
        """Side of its patches, pixels."""

    @property
    def batch(self) -> int:
        """How many requests it computes together."""

    @property
    def closed_vocabulary(self) -> bool:
        """Whether it knows only the prompts of `synth.planning.prompts`."""

    @property
    def prototype_space(self) -> str | None:
        """`embedding_digest` of the prototypes that it can be conditioned on; None if it takes none."""

    @property
    def card(self) -> GeneratorCard:
        """The model behind it."""

    def inpaint(self, requests: Sequence[PatchRequest]) -> list[InpaintedPatch]:
        """One inpainted patch per request, in order. Raises `SynthesisError`."""

    def generate(self, prompt: str, *, seed: int, width: int, height: int) -> Image:
        """A whole image (height, width, 3) from words. Raises `SynthesisError`."""

    def reconstruct(self, patches: Sequence[Image]) -> list[Image]:
        """Encode and decode patches without inpainting: hazard-free controls with the model's texture."""
