"""Loads the networks, the tokenizer and the scheduler of an inspected folder, by diffusers and transformers.

Parts are loaded one by one from the files that `synth.generation.model_folder` has chosen, so that a sentence
names the part, missing tensors are a fault and not random numbers, and nothing else is opened. The network is
never used.
"""

import logging
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, StableDiffusionInpaintPipeline, UNet2DConditionModel
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils import logging as diffusers_logging
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from synth.errors import GeneratorUnavailable
from synth.generation.generator import PROTOTYPE_WIDTH
from synth.generation.generator_door import generator_door
from synth.generation.model_folder import PROTOTYPE_FILE, ModelFolder

logger = logging.getLogger(__name__)


def load_pipeline(model: ModelFolder, place: Path, device: torch.device) -> StableDiffusionInpaintPipeline:
    """The pipeline of an inspected folder, staged at `place`, in single precision.

    Raises `GeneratorUnavailable`.
    """
    _quiet()
    parts: dict[str, Any] = {
        "unet": _weights(model, UNet2DConditionModel, place / "unet"),
        "vae": _weights(model, AutoencoderKL, place / "vae"),
        "text_encoder": _weights(model, CLIPTextModel, place / "text_encoder"),
        "scheduler": _scheduler(model, place / "scheduler"),
    }
    with _part(model, place / "tokenizer"):
        parts["tokenizer"] = CLIPTokenizer.from_pretrained(place / "tokenizer", local_files_only=True)
        _check_tokens(model, parts["tokenizer"], parts["text_encoder"])
    with generator_door(f"generator folder {model.folder} cannot be opened", "download it again"):
        pipeline = StableDiffusionInpaintPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        ).to(device)
    logger.info("generator %s opened on %s", model.folder, device)
    return pipeline


def load_projection(
    model: ModelFolder, place: Path, text_width: int, device: torch.device
) -> dict[str, torch.Tensor] | None:
    """The tensors of the prototype token; None for a model without them. Raises `GeneratorUnavailable`."""
    if not (place / PROTOTYPE_FILE).exists():
        return None
    path = model.folder / PROTOTYPE_FILE
    with generator_door(f"{path} cannot be loaded", "write the model again"):
        tensors: dict[str, torch.Tensor] = load_file(place / PROTOTYPE_FILE, device=str(device))
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    needed = {
        "null": (text_width,),
        "projection.weight": (text_width, PROTOTYPE_WIDTH),
        "projection.bias": (text_width,),
    }
    if shapes != needed or not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise GeneratorUnavailable(
            f"{path} holds tensors {shapes}; needed are finite ones {needed}; remove it or write the model "
            "again"
        )
    return tensors


def _weights(model: ModelFolder, kind: Any, place: Path) -> Any:
    """One network; a tensor that is absent, of another shape or not finite is a fault."""
    precision = "dtype" if kind is CLIPTextModel else "torch_dtype"
    with _part(model, place):
        network, report = kind.from_pretrained(
            place, output_loading_info=True, use_safetensors=True, local_files_only=True,
            **{precision: torch.float32},
        )  # fmt: skip
    missing = sorted(map(str, report["missing_keys"]))
    if missing:
        raise GeneratorUnavailable(
            f"generator folder {model.folder}: the weights of {place.name} lack {len(missing)} tensors "
            f"({missing[0]}); they are of another model, download it again"
        )
    for name, tensor in network.named_parameters():
        if not bool(tensor.isfinite().all()):
            raise GeneratorUnavailable(
                f"generator folder {model.folder}: tensor {name} of {place.name} is not finite; the file is "
                "damaged, download it again"
            )
    return network


def _scheduler(model: ModelFolder, place: Path) -> SchedulerMixin:
    kind: Any = getattr(diffusers, model.scheduler, None)
    if not _is_scheduler(kind):
        raise GeneratorUnavailable(
            f"generator folder {model.folder}: diffusers {diffusers.__version__} has no scheduler "
            f"{model.scheduler}; give one that it has, DDIMScheduler for instance"
        )
    with _part(model, place):
        scheduler: SchedulerMixin = kind.from_pretrained(place, local_files_only=True)
    return scheduler


def _is_scheduler(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, SchedulerMixin)


def _part(model: ModelFolder, place: Path) -> AbstractContextManager[None]:
    return generator_door(
        f"generator folder {model.folder} is incomplete or not an inpainting pipeline: {place.name} cannot "
        "be loaded",
        "download it again, or write it again with save_pretrained",
        staged=place.parent,
    )


def _check_tokens(model: ModelFolder, tokenizer: CLIPTokenizer, text: CLIPTextModel) -> None:
    length, room = int(tokenizer.model_max_length), int(text.config.max_position_embeddings)
    tokens, known = len(tokenizer), int(text.config.vocab_size)
    if length > room or tokens > known:
        raise GeneratorUnavailable(
            f"generator folder {model.folder}: its tokenizer has {tokens} tokens and prompts of {length}, "
            f"its text_encoder {known} and {room}; tokenizer_config.json is absent or of another model"
        )


def _quiet() -> None:
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
