"""LoRAs on top of a generator, inspected by their header before anything is loaded.

A LoRA fits only models whose text has the width that it was trained with, which its cross-attention tensors
state. No library of models is imported here.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from messaging.blobs import digest_of_file
from messaging.errors import FileFault
from messaging.runtime.binary_files import TensorEntry, read_safetensors_header
from synth.errors import GeneratorUnavailable
from synth.generation.options import Lora

_FOLDER_FILE = "pytorch_lora_weights.safetensors"
_CROSS_ATTENTION = re.compile(r"attn2[._].*to_k[._].*(lora_A|lora_down|lora\.down|down)(\..+)?\.weight$")
_BASES = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}
_OTHER_BASES = (
    (("double_blocks", "single_transformer_blocks"), "Flux"),
    (("lora_te2_", "text_encoder_2."), "Stable Diffusion XL"),
    (("transformer.",), "a model with a transformer instead of a UNet"),
)


@dataclass(frozen=True)
class LoraFile:
    """An inspected LoRA: its file and its weight."""

    path: Path
    weight: float

    @property
    def name(self) -> str:
        """The name of the file, or of its folder where the file has the usual name, with the weight."""
        named = self.path.parent if self.path.name == _FOLDER_FILE else self.path.with_suffix("")
        return f"{named.absolute().name}*{self.weight:g}"

    @cached_property
    def digest(self) -> str:
        """sha256 hex of the file."""
        return digest_of_file(self.path)


def inspect_lora(lora: Lora, text_width: int) -> LoraFile:
    """Check a LoRA for a generator whose text has this width. Raises `GeneratorUnavailable`."""
    path = _file_of(lora.path)
    try:
        tensors = read_safetensors_header(path).tensors
    except FileFault as fault:
        raise GeneratorUnavailable(f"LoRA {fault}") from None
    _check_base(path, tensors, text_width)
    return LoraFile(path, lora.weight)


def combined_digest(model: str, loras: tuple[LoraFile, ...]) -> str:
    """The digest of a model with its LoRAs; that of the model where there are none."""
    if not loras:
        return model
    text = "\n".join([model, *(f"{lora.digest} {lora.weight!r}" for lora in loras)])
    return hashlib.sha256(text.encode()).hexdigest()


def _file_of(path: Path) -> Path:
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        usual = [file for file in found if file.name == _FOLDER_FILE]
        if len(usual or found) != 1:
            raise GeneratorUnavailable(
                f"LoRA folder {path} holds {len(found)} .safetensors files; give the file itself, or a "
                f"folder with {_FOLDER_FILE}"
            )
        return (usual or found)[0]
    if path.exists() and path.suffix != ".safetensors":
        raise GeneratorUnavailable(
            f"LoRA {path} is no .safetensors file; other formats can run any program when they are opened"
        )
    return path


def _check_base(path: Path, tensors: Mapping[str, TensorEntry], text_width: int) -> None:
    if not any("lora" in name for name in tensors):
        raise GeneratorUnavailable(f"{path} holds no LoRA; give a file that save_lora_weights has written")
    wanted = _BASES.get(text_width, f"a model with text of width {text_width}")
    for markers, base in _OTHER_BASES:
        if any(marker in name for name in tensors for marker in markers):
            raise GeneratorUnavailable(
                f"LoRA {path} is for {base}, and the generator is {wanted}; give a LoRA of the same base"
            )
    if any(name.startswith("base_model.model.") for name in tensors):
        raise GeneratorUnavailable(
            f"LoRA {path} was saved by peft for one network; save it by save_lora_weights of its pipeline"
        )
    widths = {entry.shape[-1] for name, entry in tensors.items() if _CROSS_ATTENTION.search(name)}
    other = sorted(widths - {text_width})
    if other:
        base = _BASES.get(other[0], f"a model with text of width {other[0]}")
        raise GeneratorUnavailable(
            f"LoRA {path} is for {base}, and the generator is {wanted}; give a LoRA of the same base"
        )
