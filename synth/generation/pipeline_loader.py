"""Loads the networks, the tokenizer and the scheduler of an inspected model, by diffusers and transformers.

Parts are loaded one by one from the files that `synth.generation.inspection` has chosen, so that a sentence
names the part, missing tensors are a fault and not random numbers, and nothing else is opened. No network is
used.
"""

import gzip
from collections.abc import Iterable, Sequence
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
from transformers.convert_slow_tokenizer import bytes_to_unicode

from synth.errors import GeneratorUnavailable
from synth.generation.generator import PROTOTYPE_WIDTH
from synth.generation.generator_errors import generator_errors
from synth.generation.lora import LoraFile
from synth.generation.model_folder import PROTOTYPE_FILE, ModelFolder
from synth.generation.single_file import SHAPES_FOLDER, SingleFile

_PROMPT_TOKENS = 77
_SAMPLERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "ddim": (diffusers.DDIMScheduler, {}),
    "pndm": (diffusers.PNDMScheduler, {"skip_prk_steps": True}),
    "euler": (diffusers.EulerDiscreteScheduler, {}),
    "euler_ancestral": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "dpmpp_2m": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++"}),
    "unipc": (diffusers.UniPCMultistepScheduler, {}),
    "lcm": (diffusers.LCMScheduler, {}),
}


def load_pipeline(model: ModelFolder, place: Path, dtype: torch.dtype) -> StableDiffusionInpaintPipeline:
    """The pipeline of an inspected folder, staged at `place`, in memory; its VAE in single precision.

    Raises `GeneratorUnavailable`.
    """
    _quiet()
    parts: dict[str, Any] = {
        "unet": _weights(model, UNet2DConditionModel, place / "unet", dtype),
        "vae": _weights(model, AutoencoderKL, place / "vae", torch.float32),
        "text_encoder": _weights(model, CLIPTextModel, place / "text_encoder", dtype),
        "scheduler": _scheduler(model, place / "scheduler"),
    }
    with _part(model, place / "tokenizer"):
        parts["tokenizer"] = CLIPTokenizer.from_pretrained(place / "tokenizer", local_files_only=True)
        _check_tokens(model, parts["tokenizer"], parts["text_encoder"])
    with generator_errors(f"generator folder {model.folder} cannot be opened", "download it again"):
        return StableDiffusionInpaintPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )


def load_single_file(
    model: SingleFile, dtype: torch.dtype, shapes: Path = SHAPES_FOLDER
) -> StableDiffusionInpaintPipeline:
    """The pipeline of an inspected file, in memory; its VAE in single precision.

    Raises `GeneratorUnavailable`.
    """
    _quiet()
    origin = f"generator {model.path}"
    with generator_errors(f"{origin} cannot be loaded", "download it again, or give the model as a folder"):
        from_here: dict[str, Any] = {"config": str(shapes), "local_files_only": True}
        parts = {
            name: kind.from_single_file(str(model.path), subfolder=name, torch_dtype=precision, **from_here)
            for name, kind, precision in (
                ("unet", UNet2DConditionModel, dtype),
                ("vae", AutoencoderKL, torch.float32),
            )
        }
        pipeline = StableDiffusionInpaintPipeline.from_single_file(
            str(model.path), **parts, **from_here, tokenizer=clip_tokenizer(), torch_dtype=dtype,
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
    for name in ("unet", "vae", "text_encoder"):
        network = getattr(pipeline, name)
        missing = [key for key, tensor in network.named_parameters() if tensor.is_meta]
        _check_tensors(origin, name, network, missing)
    model.refuse_change()
    return pipeline


def clip_tokenizer() -> CLIPTokenizer:
    """The tokenizer of Stable Diffusion 1; its vocabulary follows from its merges."""
    with gzip.open(SHAPES_FOLDER / "merges.txt.gz", "rt", encoding="utf-8") as file:
        merges = [tuple(line.split()) for line in file.read().splitlines()]
    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    vocabulary = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=_PROMPT_TOKENS)


def add_loras(pipeline: StableDiffusionInpaintPipeline, loras: Sequence[LoraFile]) -> None:
    """Merge LoRAs into the weights of the pipeline. Raises `GeneratorUnavailable`."""
    names = [f"lora{number}" for number in range(len(loras))]
    for name, lora in zip(names, loras, strict=True):
        with generator_errors(f"LoRA {lora.path} does not fit the generator", "give a LoRA of the same base"):
            pipeline.load_lora_weights(
                str(lora.path.parent), weight_name=lora.path.name, adapter_name=name, local_files_only=True,
                use_safetensors=True,
            )  # fmt: skip
            if not any(name in adapters for adapters in pipeline.get_list_adapters().values()):
                raise GeneratorUnavailable(
                    f"LoRA {lora.path} has no tensor for a layer of the generator; give one of the same base"
                )
    if names:
        with generator_errors("the LoRAs cannot be merged", "download them again"):
            pipeline.set_adapters(names, [lora.weight for lora in loras])
            pipeline.fuse_lora(adapter_names=names, safe_fusing=True)
            pipeline.unload_lora_weights()


def use_sampler(pipeline: StableDiffusionInpaintPipeline, sampler: str, name: str) -> None:
    """Replace the scheduler by another one with its configuration. Raises `GeneratorUnavailable`."""
    kind, changes = _SAMPLERS[sampler]
    with generator_errors(
        f"sampler {sampler} does not fit generator {name}", "choose another or leave it out"
    ):
        pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **changes)


def load_projection(
    model: ModelFolder, place: Path, text_width: int, device: torch.device
) -> dict[str, torch.Tensor] | None:
    """The tensors of the prototype token; None for a model without them. Raises `GeneratorUnavailable`."""
    if not (place / PROTOTYPE_FILE).exists():
        return None
    path = model.folder / PROTOTYPE_FILE
    with generator_errors(f"{path} cannot be loaded", "write the model again"):
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


def _weights(model: ModelFolder, kind: Any, place: Path, dtype: torch.dtype) -> Any:
    """One network; a tensor that is absent, of another shape or not finite is a fault."""
    precision = "dtype" if kind is CLIPTextModel else "torch_dtype"
    with _part(model, place):
        network, report = kind.from_pretrained(
            place, output_loading_info=True, use_safetensors=True, local_files_only=True,
            **{precision: dtype},
        )  # fmt: skip
    _check_tensors(f"generator folder {model.folder}", place.name, network, report["missing_keys"])
    return network


def _check_tensors(origin: str, part: str, network: torch.nn.Module, missing: Iterable[object]) -> None:
    """Raise `GeneratorUnavailable` for weights that are absent or not finite."""
    absent = sorted(map(str, missing))
    if absent:
        raise GeneratorUnavailable(
            f"{origin}: the weights of {part} lack {len(absent)} tensors ({absent[0]}); they are of another "
            "model, download it again"
        )
    for name, tensor in network.named_parameters():
        if not bool(tensor.isfinite().all()):
            raise GeneratorUnavailable(
                f"{origin}: tensor {name} of {part} is not finite; the file is damaged, download it again"
            )


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
    return generator_errors(
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
