"""The parts of a pipeline folder, and which of their files are loaded.

Weights are taken from safetensors files only: in full precision where that is there (where half precision is
wanted, from the variant fp16), otherwise from the part's one variant; pickles are never chosen. Every chosen
file is checked on its way. Nothing here imports a library of models.
"""

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messaging.errors import FileFault
from messaging.runtime.binary_files import read_safetensors_header, refuse_placeholder
from messaging.runtime.text_files import read_json
from synth.errors import GeneratorUnavailable

logger = logging.getLogger(__name__)

INDEX_FILE = "model_index.json"
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "special_tokens_map.json",
    "added_tokens.json",
)  # fmt: skip
_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_FLOATS = ("F16", "BF16", "F32", "F64")
_INTEGER_BUFFERS = ("position_ids", "num_batches_tracked")


@dataclass(frozen=True)
class Part:
    """One part of a Stable Diffusion pipeline: its classes, its configuration, its weights' first name."""

    name: str
    classes: tuple[str, ...]
    configuration: str = "config.json"
    weights: str | None = None


PARTS = (
    Part("unet", ("UNet2DConditionModel",), weights="diffusion_pytorch_model"),
    Part("vae", ("AutoencoderKL",), weights="diffusion_pytorch_model"),
    Part("text_encoder", ("CLIPTextModel",), weights="model"),
    Part("tokenizer", ("CLIPTokenizer", "CLIPTokenizerFast"), "tokenizer_config.json"),
    Part("scheduler", (), "scheduler_config.json"),
)


@dataclass(frozen=True)
class UsedFile:
    """A file that is loaded: its name in the folder, the name loaders find it under, and its state then."""

    name: str
    staged_name: str
    path: Path
    state: tuple[int, int, int]

    @classmethod
    def of(cls, folder: Path, name: str, staged_name: str | None = None) -> "UsedFile":
        """The file `name` of the folder as it is now. Raises `FileFault`."""
        path = folder / name
        refuse_placeholder(path)
        if path.suffix == ".safetensors":
            _refuse_tensor_types(path)
        elif path.suffix == ".json":
            _document(path)
        return cls(name, staged_name or name, path, state_of(path))


def check_class(folder: Path, index: dict[str, Any], part: Part) -> None:
    """Raise `GeneratorUnavailable` unless the pipeline's index gives the part a class that fits."""
    entry = index.get(part.name)
    known = isinstance(entry, list) and len(entry) == 2 and all(isinstance(item, str) for item in entry)
    library, found = (entry[0], entry[1]) if isinstance(entry, list) and known else (None, None)
    fits = found in part.classes if part.classes else str(found).endswith("Scheduler")
    if library not in ("diffusers", "transformers") or not fits:
        wanted = " or ".join(part.classes) or "a scheduler of diffusers"
        raise GeneratorUnavailable(
            f"generator folder {folder} is a {index.get('_class_name', 'pipeline without a class')}: its "
            f"{part.name} is {json.dumps(entry)}, needed is {wanted}; give a Stable Diffusion 1 or 2 "
            "inpainting pipeline"
        )


def files_of(folder: Path, part: Part, *, half: bool = False) -> list[UsedFile]:
    """The files of one part that are loaded; with `half`, its variant fp16 if it has one.

    Raises `FileFault` and `GeneratorUnavailable`.
    """
    inside = folder / part.name
    if not inside.is_dir():
        raise GeneratorUnavailable(
            f"generator folder {folder} has no folder {part.name}, which its {INDEX_FILE} lists; download it "
            "again, completely"
        )
    if part.name == "tokenizer":
        names = [name for name in TOKENIZER_FILES if (inside / name).exists()]
        if "tokenizer.json" not in names and not {"vocab.json", "merges.txt"} <= set(names):
            raise GeneratorUnavailable(
                f"generator folder {folder}: tokenizer has neither tokenizer.json nor vocab.json with "
                "merges.txt; download it again, completely"
            )
        return [UsedFile.of(folder, f"{part.name}/{name}") for name in names]
    files = [UsedFile.of(folder, f"{part.name}/{part.configuration}")]
    if part.weights is None:
        return files
    return [*files, *_weights_of(folder, part, part.weights, ("fp16", "") if half else ("", "fp16"))]


def _weights_of(folder: Path, part: Part, stem: str, preferred: tuple[str, ...]) -> list[UsedFile]:
    """The safetensors files of a part: of the first variant preferred that is there, otherwise of any."""
    inside = folder / part.name
    variants: dict[str, Path] = {}
    for path in sorted(inside.iterdir()):
        whole = re.fullmatch(rf"{stem}(?:\.(\w+))?\.safetensors", path.name)
        sharded = re.fullmatch(rf"{stem}\.safetensors\.index(?:\.(\w+))?\.json", path.name)
        if match := whole or sharded:
            variants.setdefault(match.group(1) or "", path)
    downloaded = {variant: path for variant, path in variants.items() if not _is_placeholder(path)}
    for variant in (*preferred, *(downloaded or variants)):
        if variant not in (downloaded or variants):
            continue
        path = variants[variant]
        if variant:
            logger.info("generator %s: %s is loaded from its variant %s", folder, part.name, variant)
        if path.suffix == ".json":
            return _shards(folder, part, path, f"{part.name}/{stem}.safetensors.index.json")
        return [UsedFile.of(folder, f"{part.name}/{path.name}", f"{part.name}/{stem}.safetensors")]
    raise GeneratorUnavailable(_without_weights(inside, stem))


def _shards(folder: Path, part: Part, index: Path, staged_name: str) -> list[UsedFile]:
    """The index of weights in several files, and those files."""
    shards = read_object(index).get("weight_map")
    names = sorted(set(shards.values())) if isinstance(shards, dict) and shards else [None]
    if any(not isinstance(name, str) or not re.fullmatch(r"[\w.-]+\.safetensors", name) for name in names):
        raise FileFault(f"{index} names no safetensors files of its own folder; download it again")
    files = [UsedFile.of(folder, f"{part.name}/{name}") for name in names]
    return [UsedFile.of(folder, f"{part.name}/{index.name}", staged_name), *files]


def _without_weights(inside: Path, stem: str) -> str:
    there = sorted(path.name for path in inside.iterdir() if path.suffix in (*_PICKLES, ".safetensors"))
    pickles = [name for name in there if name.endswith(_PICKLES)]
    if pickles:
        return (
            f"generator part {inside} has its weights only as a pickle ({pickles[0]}), which can run any "
            f"program when it is opened; give {stem}.safetensors, as save_pretrained writes it"
        )
    return (
        f"generator part {inside} has no {stem}.safetensors ({', '.join(there[:3]) or 'no weights at all'}); "
        "download it again, completely"
    )


def _refuse_tensor_types(path: Path) -> None:
    for name, tensor in read_safetensors_header(path).tensors.items():
        if tensor.dtype not in _FLOATS and not name.endswith(_INTEGER_BUFFERS):
            raise FileFault(
                f"{path} stores tensor {name} as {tensor.dtype}; give the model in F16, BF16 or F32"
            )


def _is_placeholder(path: Path) -> bool:
    try:
        refuse_placeholder(path)
    except FileFault:
        return True
    return False


def _document(path: Path) -> Any:
    try:
        return read_json(path)
    except FileFault as fault:
        raise FileFault(f"{fault}; download it again") from None


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises `FileFault`."""
    document = _document(path)
    if not isinstance(document, dict):
        raise FileFault(f"{path} holds a JSON {type(document).__name__}, expected an object")
    return document


def state_of(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written or replaced: inode, length, time of the last change."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
