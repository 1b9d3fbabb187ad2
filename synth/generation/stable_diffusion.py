"""The generator on diffusers: any Stable Diffusion inpainting pipeline, from a folder or a hub id.

`synth.generation.pipeline_loader` opens the pipeline. A model folder with `prototype_projection.safetensors`
takes a prototype as one more token of its prompt embeddings; other pipelines ignore prototypes.
`input_format.json` in the folder states whether the model takes the whole background or one with the masked
part removed, and whether dark patches are brightened first (`synth.generation.exposure`). RGB stays inside
this module.
"""

import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionInpaintPipeline
from numpy.typing import NDArray
from torch.nn import functional

from messaging.errors import ConfigurationError
from messaging.runtime.text_files import read_json
from synth.errors import GeneratorUnavailable
from synth.generation.exposure import exposures_of
from synth.generation.generator import GeneratorCard, InpaintedPatch, PatchRequest, Provenance
from synth.generation.generator_door import generator_door
from synth.generation.generator_name import HubName, located
from synth.generation.hub_model import fetch_model
from synth.generation.model_folder import (
    BUNDLED_FOLDER,
    INPUT_FORMAT_FILE,
    inspect_folder,
    licence_of,
    name_of,
)
from synth.generation.pipeline_loader import load_pipeline, load_projection
from synth.planning.patches import Image
from synth.torch_device import TorchDevice, choose_device

_BACKGROUNDS, _EXPOSURES = ("removed", "shown"), ("as taken", "levelled")


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters: denoising steps, guidance scale, patches per batch."""

    steps: int = 8
    guidance: float = 3.0
    batch: int = 16

    def __post_init__(self) -> None:
        if self.steps < 1 or self.guidance < 1.0 or self.batch < 1:
            raise ConfigurationError(f"sampling needs steps >= 1, guidance >= 1 and batch >= 1; got {self}")


@dataclass(frozen=True)
class InputFormat:
    """How a model's inputs were prepared in its training, where that differs from other inpainting models.

    Attributes:
        whole_background: the background is not removed inside the mask.
        levelled: dark patches are brightened by `synth.generation.exposure`.
    """

    whole_background: bool = False
    levelled: bool = False

    @classmethod
    def of_file(cls, path: Path, origin: Path) -> "InputFormat":
        """Read `input_format.json` of the model `origin`; the defaults when there is no such file.

        Raises `GeneratorUnavailable`.
        """
        fields = read_json(path) if path.exists() else {}
        if not isinstance(fields, dict) or not fields.keys() <= {"background", "exposure"}:
            raise GeneratorUnavailable(
                f"{origin / path.name} may have the keys background and exposure; got {fields!r:.80}"
            )
        background = fields.get("background", _BACKGROUNDS[0])
        exposure = fields.get("exposure", _EXPOSURES[0])
        if background not in _BACKGROUNDS or exposure not in _EXPOSURES:
            raise GeneratorUnavailable(
                f"{origin / path.name}: background is {' or '.join(_BACKGROUNDS)}, exposure is "
                f"{' or '.join(_EXPOSURES)}; got {background!r:.40} and {exposure!r:.40}"
            )
        return cls(background == "shown", exposure == "levelled")


class DiffusionGenerator:
    """A `synth.generation.generator.Generator` on one pipeline; not thread-safe, one owner at a time."""

    def __init__(
        self,
        pipeline: StableDiffusionInpaintPipeline,
        card: GeneratorCard,
        *,
        device: TorchDevice,
        sampling: Sampling = Sampling(),
        prototype_weights: dict[str, torch.Tensor] | None = None,
        input_format: InputFormat = InputFormat(),
    ) -> None:
        pipeline.set_progress_bar_config(disable=True)
        self._pipeline = pipeline
        self._card = card
        self._device = device
        self._sampling = sampling
        self._prototype_weights = prototype_weights
        self._input_format = input_format

    @classmethod
    def from_folder(
        cls,
        folder: Path = BUNDLED_FOLDER,
        *,
        sampling: Sampling = Sampling(),
        device: TorchDevice | None = None,
    ) -> "DiffusionGenerator":
        """Open a pipeline folder on a device (default: the best one); never touches the network.

        Raises `GeneratorUnavailable`.
        """
        bundled = folder.absolute() == BUNDLED_FOLDER
        return cls._opened(folder, "small-sd" if bundled else name_of(folder), None, sampling, device)

    @classmethod
    def from_name(
        cls, name: str | None, *, licence: str, device: TorchDevice | None = None
    ) -> "DiffusionGenerator":
        """Open the generator of a setting: a folder, a hub id with a commit, or None for the bundled one.

        `licence` is that of a hub model, for its card. Raises as `located` and `from_folder` do.
        """
        place = BUNDLED_FOLDER if name is None else located(name)
        if isinstance(place, HubName):
            return cls._opened(fetch_model(place), place.model_id, licence, Sampling(), device)
        return cls.from_folder(place, device=device)

    @classmethod
    def _opened(
        cls, folder: Path, name: str, licence: str | None, sampling: Sampling, device: TorchDevice | None
    ) -> "DiffusionGenerator":
        model, chosen = inspect_folder(folder), device or choose_device()
        with model.staged() as place:
            pipeline = load_pipeline(model, place, chosen.device)
            width = pipeline.text_encoder.config.hidden_size
            projection = load_projection(model, place, width, chosen.device)
            input_format = InputFormat.of_file(place / INPUT_FORMAT_FILE, folder)
            card = GeneratorCard(name, model.digest, licence or licence_of(folder))
        return cls(
            pipeline,
            card,
            device=chosen,
            sampling=sampling,
            prototype_weights=projection,
            input_format=input_format,
        )

    @property
    def patch_px(self) -> int:
        """Side of its patches: the UNet's latent side times the VAE's factor."""
        return int(self._pipeline.unet.config.sample_size * self._pipeline.vae_scale_factor)

    @property
    def card(self) -> GeneratorCard:
        """The model behind it."""
        return self._card

    @property
    def takes_prototypes(self) -> bool:
        """Whether a prototype changes its output."""
        return self._prototype_weights is not None

    def inpaint(self, requests: Sequence[PatchRequest]) -> list[InpaintedPatch]:
        """One inpainted patch per request, in order; see `synth.generation.generator.Generator`."""
        for request in requests:
            if request.patch.shape[0] != self.patch_px:
                raise ConfigurationError(
                    f"{self._card.name} takes patches of {self.patch_px} px; got {request.patch.shape[0]} px"
                )
        inpainted: list[InpaintedPatch] = []
        with self._inference():
            for guided, group in itertools.groupby(requests, key=lambda request: request.guided):
                some = list(group)
                for start in range(0, len(some), self._sampling.batch):
                    batch = some[start : start + self._sampling.batch]
                    inpainted += self._inpaint_batch(batch, guided=guided)
        return inpainted

    @torch.inference_mode()
    def reconstruct(self, patches: Sequence[Image]) -> list[Image]:
        """Encode and decode the patches with the VAE, without randomness."""
        step, out = self._sampling.batch, list[Image]()
        with self._inference():
            for start in range(0, len(patches), step):
                some = patches[start : start + step]
                powers = self._powers(some)
                out += self._decode(self._encode(_to_rgb(some).pow(powers)), powers)
        return out

    def _inference(self) -> AbstractContextManager[None]:
        return generator_door(
            f"generator {self._card.name} failed to inpaint",
            "its parts may not fit each other or memory is short; try a smaller batch or another model",
        )

    @torch.inference_mode()
    def _inpaint_batch(self, requests: Sequence[PatchRequest], *, guided: bool) -> list[InpaintedPatch]:
        positive, negative = self._embed(requests)
        guidance = self._sampling.guidance if guided else 1.0
        masks = torch.from_numpy(np.stack([r.mask for r in requests]))[:, None].float()
        powers = self._powers([r.patch for r in requests])
        patches = _to_rgb([r.patch for r in requests]).pow(powers)
        background = self._encode(patches) if self._input_format.whole_background else None
        with self._device.autocast():
            latents = self._pipeline(
                image=patches,
                mask_image=masks,
                masked_image_latents=background,
                prompt_embeds=positive,
                negative_prompt_embeds=negative,
                height=self.patch_px,
                width=self.patch_px,
                num_inference_steps=self._sampling.steps,
                guidance_scale=guidance,
                generator=[torch.Generator("cpu").manual_seed(r.seed) for r in requests],
                output_type="latent",
            ).images
        return [
            InpaintedPatch(image, self._provenance(request, guidance))
            for image, request in zip(self._decode(latents.float(), powers), requests, strict=True)
        ]

    def _encode(self, patches: torch.Tensor) -> torch.Tensor:
        """(b, 3, p, p) RGB in [0, 1] -> scaled latents, without randomness."""
        vae = self._pipeline.vae
        latents = vae.encode(patches.to(self._device.device) * 2 - 1).latent_dist.mode()
        scaled: torch.Tensor = latents * vae.config.scaling_factor
        return scaled

    def _decode(self, latents: torch.Tensor, powers: torch.Tensor) -> list[Image]:
        """Scaled latents (b, c, s, s) -> patches, in single precision (half precision shows bands)."""
        vae = self._pipeline.vae
        decoded = vae.decode(latents / vae.config.scaling_factor).sample.float().cpu()
        if not bool(decoded.isfinite().all()):
            raise GeneratorUnavailable(
                f"generator {self._card.name} returned numbers that are not finite; give another model"
            )
        return _to_bgr(((decoded + 1) / 2).clamp(0, 1).pow(1 / powers).permute(0, 2, 3, 1).numpy())

    def _powers(self, patches: Sequence[Image]) -> torch.Tensor:
        """Exponent (b, 1, 1, 1) that brightens each patch; 1 for a model that takes patches unchanged."""
        powers = exposures_of(patches) if self._input_format.levelled else np.ones(len(patches), np.float32)
        return torch.from_numpy(powers)[:, None, None, None]

    def _embed(self, requests: Sequence[PatchRequest]) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings (b, tokens, width) of the prompts and of empty prompts, prototype tokens included."""
        device = self._device.device
        positive, negative = self._pipeline.encode_prompt(
            [r.prompt for r in requests], device, 1, True, negative_prompt=[""] * len(requests)
        )
        if self._prototype_weights is None:
            return positive, negative
        null = self._prototype_weights["null"].to(positive)
        tokens = torch.stack([self._prototype_token(r.prototype, null) for r in requests])
        absent = null.expand(len(requests), -1)
        return torch.cat([positive, tokens[:, None]], 1), torch.cat([negative, absent[:, None]], 1)

    def _prototype_token(self, prototype: NDArray[np.float32] | None, null: torch.Tensor) -> torch.Tensor:
        if prototype is None or self._prototype_weights is None or not prototype.any():
            return null
        vector = torch.from_numpy(prototype / np.linalg.norm(prototype)).to(null)
        weights = self._prototype_weights
        return functional.linear(
            vector, weights["projection.weight"].to(null), weights["projection.bias"].to(null)
        )

    def _provenance(self, request: PatchRequest, guidance: float) -> Provenance:
        return Provenance(
            generator=self._card.name,
            digest=self._card.digest,
            licence=self._card.licence,
            prompt=request.prompt,
            seed=request.seed,
            steps=self._sampling.steps,
            guidance=guidance,
            prototype=request.prototype is not None and self.takes_prototypes,
        )


def _to_rgb(patches: Sequence[Image]) -> torch.Tensor:
    """BGR uint8 patches -> (b, 3, p, p) float32 RGB in [0, 1]."""
    stacked = np.stack(patches)[..., ::-1].transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(stacked, np.float32) / np.float32(255))


def _to_bgr(images: NDArray[np.float32]) -> list[Image]:
    """(b, p, p, 3) float RGB in [0, 1] -> BGR uint8 patches."""
    pixels = np.rint(np.asarray(images)[..., ::-1] * 255).astype(np.uint8)
    return [np.ascontiguousarray(patch) for patch in pixels]
