"""A whole Stable Diffusion 1 inpainting model in one `.safetensors` file, inspected by its header.

The file is of the original layout (`model.diffusion_model.`, `first_stage_model.`, `cond_stage_model.`), as
training programs write it. What it lacks, shapes and tokenizer, is shipped beside this module. No library of
models is imported here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from messaging.blobs import digest_of_file
from messaging.errors import FileFault
from messaging.runtime.binary_files import TensorEntry, read_safetensors_header
from synth.errors import GeneratorUnavailable
from synth.generation.model_parts import state_of

SHAPES_FOLDER = Path(__file__).with_name("sd1_inpainting")
_UNET = "model.diffusion_model."
_PARTS = {"UNet": _UNET, "VAE": "first_stage_model.", "text encoder": "cond_stage_model."}
_FIRST_LAYER = f"{_UNET}input_blocks.0.0.weight"
_TEXT_LAYER = f"{_UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
_OTHER_KINDS = (
    ("double_blocks.", "a Flux model"),
    ("joint_blocks.", "a Stable Diffusion 3 model"),
    ("conditioner.embedders.", "a Stable Diffusion XL model"),
    ("lora", "a LoRA, which changes a model and is none itself"),
)
_WANTED = "give a Stable Diffusion 1 inpainting model"


@dataclass(frozen=True)
class SingleFile:
    """An inspected file: the UNet's configuration, the side of its patches, the file's state then."""

    path: Path
    unet: Mapping[str, Any]
    patch_px: int
    state: tuple[int, int, int]

    @cached_property
    def digest(self) -> str:
        """sha256 hex of the file; reading gigabytes takes seconds."""
        return digest_of_file(self.path)

    def refuse_change(self) -> None:
        """Raise `GeneratorUnavailable` if the file is another one than when it was inspected."""
        if not self.path.exists() or state_of(self.path) != self.state:
            raise GeneratorUnavailable(
                f"{self.path} changed while it was loaded; wait until nothing writes to it and start again"
            )


def inspect_file(path: Path, shapes: Path = SHAPES_FOLDER) -> SingleFile:
    """Check a file by its header. `shapes` holds the configurations of its parts.

    Raises `GeneratorUnavailable` for any fault, naming the file.
    """
    if path.suffix != ".safetensors":
        raise GeneratorUnavailable(
            f"generator {path} is one file and no .safetensors; other formats can run any program when they "
            "are opened; give the model as .safetensors or as a folder"
        )
    try:
        tensors = read_safetensors_header(path).tensors
        state = state_of(path)
    except FileFault as fault:
        raise GeneratorUnavailable(f"generator {fault}") from None
    _refuse_other_kinds(path, tensors)
    unet = json.loads((shapes / "unet" / "config.json").read_text(encoding="utf-8"))
    vae = json.loads((shapes / "vae" / "config.json").read_text(encoding="utf-8"))
    channels = tensors[_FIRST_LAYER].shape[1]
    if channels != unet["in_channels"]:
        kind = ", as of a text-to-image model" if channels == 4 else ""
        raise GeneratorUnavailable(
            f"generator {path}: its UNet has {channels} input channels{kind}; an inpainting UNet has "
            f"{unet['in_channels']}; {_WANTED}"
        )
    width = tensors[_TEXT_LAYER].shape[-1]
    if width != unet["cross_attention_dim"]:
        kind = {1024: " (Stable Diffusion 2)", 2048: " (Stable Diffusion XL)"}.get(width, "")
        raise GeneratorUnavailable(
            f"generator {path}: its UNet takes text of width {width}{kind}, needed is "
            f"{unet['cross_attention_dim']}; give another model as a folder written by save_pretrained"
        )
    side = unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1)
    return SingleFile(path, unet, side, state)


def _refuse_other_kinds(path: Path, tensors: Mapping[str, TensorEntry]) -> None:
    for marker, kind in _OTHER_KINDS:
        if any(marker in name for name in tensors):
            raise GeneratorUnavailable(f"generator {path} is {kind}; {_WANTED}")
    missing = [
        part for part, prefix in _PARTS.items() if not any(name.startswith(prefix) for name in tensors)
    ]
    if len(missing) == len(_PARTS):
        raise GeneratorUnavailable(
            f"generator {path} is no whole Stable Diffusion model in the original layout (it begins with "
            f"{min(tensors, default='absent')}); it may be one part of a pipeline; {_WANTED} or a folder"
        )
    if not missing and not {_FIRST_LAYER, _TEXT_LAYER} <= tensors.keys():
        missing = ["UNet's first layers"]
    if missing:
        raise GeneratorUnavailable(
            f"generator {path} lacks its {' and '.join(missing)}; give the file with all parts, or a folder"
        )
