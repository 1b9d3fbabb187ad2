"""The generator on diffusers: any Stable Diffusion inpainting pipeline, from a folder, a file or a hub.

`synth.generation.pipeline_loader` opens the pipeline. A model folder with `prototype_projection.safetensors`
takes a prototype as one more token of its prompt embeddings, if it is of the embedding space that
`prototype_space.json` names; other pipelines ignore prototypes.
`input_format.json` in the folder states whether the model takes the whole background or one with the masked
part removed, and whether dark patches are brightened first (`synth.generation.exposure`). RGB stays inside
this module.
"""

import contextlib
import itertools
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from diffusers import StableDiffusionInpaintPipeline
from numpy.typing import NDArray
from torch.nn import functional

from messaging.errors import ConfigurationError
from synth.errors import GeneratorUnavailable
from synth.generation.exposure import exposures_of
from synth.generation.generator import GeneratorCard, InpaintedPatch, PatchRequest, Provenance
from synth.generation.generator_errors import generator_errors
from synth.generation.generator_name import HubName, located
from synth.generation.hub_model import fetch_model
from synth.generation.inspection import inspect_model
from synth.generation.lora import combined_digest, inspect_lora
from synth.generation.model_folder import BUNDLED_FOLDER, BUNDLED_NAME, licence_of, name_of
from synth.generation.model_format import (
    INPUT_FORMAT_FILE,
    PROTOTYPE_SPACE_FILE,
    SAMPLING_FILE,
    USUAL_FORMAT,
    InputFormat,
    SamplingUsed,
    prototype_space_of,
)
from synth.generation.options import DEFAULT_OPTIONS, GeneratorOptions
from synth.generation.pipeline_loader import (
    add_loras,
    load_pipeline,
    load_projection,
    load_single_file,
    use_sampler,
)
from synth.generation.placement import choose_placement, is_out_of_memory, place, weights_type
from synth.generation.single_file import SingleFile
from synth.order import OWN_SAMPLING, Sampling
from synth.planning.patches import Image
from synth.torch_device import TorchDevice

logger = logging.getLogger(__name__)
_LATENT_STEP = 8
_GENERATED_AREA = 1.25
Item = TypeVar("Item")
Made = TypeVar("Made")


class DiffusionGenerator:
    """A `synth.generation.generator.Generator` on one pipeline; not thread-safe, one owner at a time."""

    def __init__(
        self,
        pipeline: StableDiffusionInpaintPipeline,
        card: GeneratorCard,
        where: TorchDevice,
        *,
        sampling: SamplingUsed,
        prototype_weights: dict[str, torch.Tensor] | None = None,
        prototype_space: str | None = None,
        input_format: InputFormat = USUAL_FORMAT,
    ) -> None:
        pipeline.set_progress_bar_config(disable=True)
        self._pipeline = pipeline
        self._card = card
        self._where = where
        self._sampling = sampling
        self._batch = sampling.batch
        self._prototype_weights = prototype_weights
        self._prototype_space = prototype_space
        self._input_format = input_format

    @classmethod
    def from_folder(
        cls,
        folder: Path = BUNDLED_FOLDER,
        *,
        sampling: Sampling = OWN_SAMPLING,
        options: GeneratorOptions = DEFAULT_OPTIONS,
    ) -> "DiffusionGenerator":
        """Open a pipeline folder or a single file; never touches the network.

        Raises `GeneratorUnavailable`, and `ConfigurationError` for options that machine or model contradict.
        """
        bundled = folder.absolute() == BUNDLED_FOLDER
        return cls._opened(folder, BUNDLED_NAME if bundled else name_of(folder), None, sampling, options)

    @classmethod
    def from_name(
        cls,
        name: str | None,
        *,
        licence: str,
        sampling: Sampling = OWN_SAMPLING,
        options: GeneratorOptions = DEFAULT_OPTIONS,
    ) -> "DiffusionGenerator":
        """Open the generator of a setting: a folder, a file, a hub id with a commit, None for the bundled.

        `licence` is that of a hub model, for its card. Raises as `located` and `from_folder` do.
        """
        place = BUNDLED_FOLDER if name is None else located(name)
        if isinstance(place, HubName):
            return cls._opened(fetch_model(place), place.model_id, licence, sampling, options)
        return cls.from_folder(place, sampling=sampling, options=options)

    @classmethod
    def _opened(
        cls, origin: Path, name: str, licence: str | None, wanted: Sampling, options: GeneratorOptions
    ) -> "DiffusionGenerator":
        """Everything that can be refused without loading is refused before the first weight is read."""
        model = inspect_model(origin)
        where = choose_placement(options, model.unet, name)
        loras = tuple(inspect_lora(lora, model.unet["cross_attention_dim"]) for lora in options.loras)
        on_cpu, dtype = where.device.type == "cpu", weights_type(where)
        if dtype != torch.float32:
            model = inspect_model(origin, half=True)
        input_format = InputFormat.of_file(origin / INPUT_FORMAT_FILE)
        space = prototype_space_of(origin / PROTOTYPE_SPACE_FILE)
        own = SamplingUsed.of_file(origin / SAMPLING_FILE, patch_px=model.patch_px, on_cpu=on_cpu)
        sampling = own.changed(wanted, options.batch)
        if isinstance(model, SingleFile):
            pipeline, projection = load_single_file(model, dtype), None
        else:
            with model.staged() as staged:
                pipeline = load_pipeline(model, staged, dtype)
                width = pipeline.text_encoder.config.hidden_size
                projection = load_projection(model, staged, width, where.device)
        add_loras(pipeline, loras)
        if sampling.sampler is not None:
            use_sampler(pipeline, sampling.sampler, name)
        card = GeneratorCard(
            name=" + ".join([name, *(lora.name for lora in loras)]),
            digest=combined_digest(model.digest, loras),
            licence=licence or licence_of(origin),
        )
        logger.info("generator %s on %s: %s", card.name, where, sampling)
        return cls(
            place(pipeline, where, options),
            card,
            where,
            sampling=sampling,
            prototype_weights=projection,
            prototype_space=space,
            input_format=input_format,
        )

    @property
    def patch_px(self) -> int:
        """Side of its patches: the UNet's latent side times the VAE's factor."""
        return int(self._pipeline.unet.config.sample_size * self._pipeline.vae_scale_factor)

    @property
    def batch(self) -> int:
        """How many patches it computes together; fewer after memory was short."""
        return self._batch

    @property
    def closed_vocabulary(self) -> bool:
        """Whether it knows only the prompts of `synth.planning.prompts`."""
        return self._input_format.closed_vocabulary

    @property
    def card(self) -> GeneratorCard:
        """The model behind it."""
        return self._card

    def description(self) -> dict[str, str]:
        """What its card states besides name, licence and digest: size, device, sampling."""
        space = self.prototype_space
        networks = (self._pipeline.unet, self._pipeline.vae, self._pipeline.text_encoder)
        parameters = sum(tensor.numel() for network in networks for tensor in network.parameters())
        return {
            "parameters": f"{parameters / 1e6:.1f} million",
            "patches": f"{self.patch_px} px, {self._batch} at once",
            "device": str(self._where),
            "sampler": self._sampler,
            "steps": str(self._sampling.steps),
            "guidance": f"{self._sampling.guidance:g}",
            "negative prompt": self._sampling.negative_prompt,
            "prompts": "closed vocabulary" if self.closed_vocabulary else "free text",
            "prototypes": f"of embedding {space[:12]}" if space else "ignored",
        }

    @property
    def _sampler(self) -> str:
        return self._sampling.sampler or type(self._pipeline.scheduler).__name__

    @property
    def prototype_space(self) -> str | None:
        """`embedding_digest` of the prototypes that it takes; without a stated one it takes none."""
        return self._prototype_space if self._prototype_weights is not None else None

    def inpaint(self, requests: Sequence[PatchRequest]) -> list[InpaintedPatch]:
        """One inpainted patch per request, in order; see `synth.generation.generator.Generator`."""
        for request in requests:
            if request.patch.shape[0] != self.patch_px:
                raise ConfigurationError(
                    f"{self._card.name} takes patches of {self.patch_px} px; got {request.patch.shape[0]} px"
                )
        inpainted: list[InpaintedPatch] = []
        for guided, group in itertools.groupby(requests, key=lambda request: request.guided):
            inpainted += self._in_batches(list(group), partial(self._inpaint_batch, guided=guided))
        return inpainted

    def generate(self, prompt: str, *, seed: int, width: int, height: int) -> Image:
        """A whole image (height, width, 3) from words: everything is inpainted into an empty image.

        It is computed with about as many pixels as the model's patches and scaled to the size wanted.
        """
        step = self._pipeline.vae_scale_factor * _LATENT_STEP
        scale = self.patch_px * math.sqrt(_GENERATED_AREA / (width * height))
        rows, columns = (max(round(side * scale / step), 1) * step for side in (height, width))
        (image,) = self._in_batches(
            [seed], lambda seeds: self._generate_batch(prompt, seeds, rows=rows, columns=columns)
        )
        method = cv2.INTER_AREA if rows * columns >= width * height else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)

    @torch.inference_mode()
    def _generate_batch(self, prompt: str, seeds: Sequence[int], *, rows: int, columns: int) -> list[Image]:
        grey = torch.full((len(seeds), 3, rows, columns), 0.5)
        masks = torch.ones(len(seeds), 1, rows, columns)
        blank = PatchRequest(prompt, np.zeros((1, 1, 3), np.uint8), np.ones((1, 1), np.bool_), 0)
        positive, negative = self._embed([blank] * len(seeds))
        latents = self._denoised(
            positive, negative, self._encode(grey), masks, seeds, self._sampling.guidance
        )
        return self._decode(latents, torch.ones(len(seeds), 1, 1, 1))

    def reconstruct(self, patches: Sequence[Image]) -> list[Image]:
        """Encode and decode the patches with the VAE, without randomness."""
        return self._in_batches(patches, self._reconstruct_batch)

    def _in_batches(self, items: Sequence[Item], work: Callable[[Sequence[Item]], list[Made]]) -> list[Made]:
        """The results of `work` on batches of the items; smaller ones from when memory was short."""
        made: list[Made] = []
        with generator_errors(
            f"generator {self._card.name} failed to inpaint",
            "its parts may not fit each other or memory is short; try a smaller batch or another model",
        ):
            while len(made) < len(items):
                some = items[len(made) : len(made) + self._batch]
                try:
                    made += work(some)
                except RuntimeError as error:
                    if not is_out_of_memory(error) or len(some) == 1:
                        raise
                    self._batch = len(some) // 2
                    logger.warning(
                        "generator %s: memory is too short for %d patches at once, continuing with %d",
                        self._card.name,
                        len(some),
                        self._batch,
                    )
        return made

    @torch.inference_mode()
    def _reconstruct_batch(self, patches: Sequence[Image]) -> list[Image]:
        powers = self._powers(patches)
        return self._decode(self._encode(_to_rgb(patches).pow(powers)), powers)

    @torch.inference_mode()
    def _inpaint_batch(self, requests: Sequence[PatchRequest], *, guided: bool) -> list[InpaintedPatch]:
        guidance = self._sampling.guidance if guided else 1.0
        masks = torch.from_numpy(np.stack([r.mask for r in requests]))[:, None].float()
        powers = self._powers([r.patch for r in requests])
        patches = _to_rgb([r.patch for r in requests]).pow(powers)
        shown = patches if self._input_format.whole_background else patches * (1 - masks) + 0.5 * masks
        positive, negative = self._embed(requests)
        latents = self._denoised(
            positive, negative, self._encode(shown), masks, [r.seed for r in requests], guidance
        )
        return [
            InpaintedPatch(image, self._provenance(request, guidance))
            for image, request in zip(self._decode(latents, powers), requests, strict=True)
        ]

    def _denoised(
        self,
        positive: torch.Tensor,
        negative: torch.Tensor,
        background: torch.Tensor,
        masks: torch.Tensor,
        seeds: Sequence[int],
        guidance: float,
    ) -> torch.Tensor:
        """Latents (b, c, h, w), single precision, of prompts inpainted into a background's latents."""
        factor = self._pipeline.vae_scale_factor
        height, width = background.shape[2] * factor, background.shape[3] * factor
        with self._autocast():
            latents = self._pipeline(
                image=torch.zeros(len(seeds), 3, height, width),
                mask_image=masks,
                masked_image_latents=background,
                prompt_embeds=positive,
                negative_prompt_embeds=negative,
                height=height,
                width=width,
                num_inference_steps=self._sampling.steps,
                guidance_scale=guidance,
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
                output_type="latent",
            ).images
        return torch.as_tensor(latents).float()

    def _autocast(self) -> AbstractContextManager[object]:
        """On a processor the products are in the precision chosen; a card has its weights in it."""
        return self._where.autocast() if self._where.device.type == "cpu" else contextlib.nullcontext()

    def _encode(self, patches: torch.Tensor) -> torch.Tensor:
        """(b, 3, p, p) RGB in [0, 1] -> scaled latents, without randomness."""
        vae = self._pipeline.vae
        latents = vae.encode(patches.to(self._where.device) * 2 - 1).latent_dist.mode()
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
        device = self._where.device
        negatives = [self._sampling.negative_prompt] * len(requests)
        positive, negative = self._pipeline.encode_prompt(
            [r.prompt for r in requests], device, 1, True, negative_prompt=negatives
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
            sampler=self._sampler,
            steps=self._sampling.steps,
            guidance=guidance,
            negative_prompt=self._sampling.negative_prompt if guidance > 1 else "",
            device=str(self._where),
            prototype=request.prototype is not None and self._prototype_weights is not None,
        )


def _to_rgb(patches: Sequence[Image]) -> torch.Tensor:
    """BGR uint8 patches -> (b, 3, p, p) float32 RGB in [0, 1]."""
    stacked = np.stack(patches)[..., ::-1].transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(stacked, np.float32) / np.float32(255))


def _to_bgr(images: NDArray[np.float32]) -> list[Image]:
    """(b, p, p, 3) float RGB in [0, 1] -> BGR uint8 patches."""
    pixels = np.rint(np.asarray(images)[..., ::-1] * 255).astype(np.uint8)
    return [np.ascontiguousarray(patch) for patch in pixels]
