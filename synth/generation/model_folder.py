"""A pipeline folder, inspected before any library opens it: what is loaded from it, and its digest.

A folder comes from a publisher, a clone without its large files, a cut download or another program. The files
that will be loaded are chosen here, one by one, and each is checked; loaders see only those (`staged`), so
that the digest covers everything that is opened and nothing else is. No library of models is imported here.
"""

import contextlib
import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from messaging.errors import FileFault
from messaging.runtime.binary_files import refuse_placeholder
from messaging.runtime.text_files import read_bytes
from synth.errors import GeneratorUnavailable
from synth.generation.model_format import INPUT_FORMAT_FILE, PROTOTYPE_SPACE_FILE, SAMPLING_FILE
from synth.generation.model_parts import (
    INDEX_FILE,
    PARTS,
    UsedFile,
    check_class,
    files_of,
    read_object,
    state_of,
)

logger = logging.getLogger(__name__)

PROTOTYPE_FILE = "prototype_projection.safetensors"
OPTIONAL_FILES = (PROTOTYPE_FILE, PROTOTYPE_SPACE_FILE, INPUT_FORMAT_FILE, SAMPLING_FILE)
REMEDY = "give a folder written by save_pretrained or by `python -m synth.small_sd --out FOLDER`"
BUNDLED_FOLDER = Path(__file__).parents[1] / "small_sd" / "checkpoint"
BUNDLED_NAME = "small-sd"
_LORA_FILES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors", "adapter_config.json")


@dataclass(frozen=True)
class ModelFolder:
    """An inspected folder: the files that are loaded, the scheduler's class, and the UNet's configuration.

    `patch_px` is the side of its patches in pixels.
    """

    folder: Path
    files: tuple[UsedFile, ...]
    scheduler: str
    unet: Mapping[str, Any]
    patch_px: int

    @cached_property
    def digest(self) -> str:
        """sha256 hex over names and contents in order of name, without the place of the folder.

        Reads every file, which takes seconds for gigabytes. Raises `GeneratorUnavailable`.
        """
        try:
            return _digest(self.files)
        except OSError as error:
            raise _unreadable(self.folder, error) from None

    @contextlib.contextmanager
    def staged(self) -> Iterator[Path]:
        """A temporary folder of links to exactly these files, weights under their plain names.

        Raises `GeneratorUnavailable` when a file has changed since it was inspected.
        """
        with tempfile.TemporaryDirectory(prefix="blindspot-model-") as place:
            for file in self.files:
                link = Path(place) / file.staged_name
                link.parent.mkdir(exist_ok=True)
                link.symlink_to(file.path.absolute())
            yield Path(place)
            for file in self.files:
                if not file.path.exists() or state_of(file.path) != file.state:
                    raise GeneratorUnavailable(
                        f"{file.path} changed while it was loaded; wait until nothing writes to "
                        f"{self.folder} and start again"
                    )


def inspect_folder(folder: Path, *, half: bool = False) -> ModelFolder:
    """Choose and check the files of a pipeline folder. Raises `GeneratorUnavailable` for any fault.

    With `half`, weights come from the variant fp16 where UNet or text encoder have one.
    """
    try:
        if not (folder / INDEX_FILE).exists():
            raise GeneratorUnavailable(_without_index(folder))
        refuse_placeholder(folder / INDEX_FILE)
        index = read_object(folder / INDEX_FILE)
        _refuse_other_kinds(folder, index)
        names = [INDEX_FILE, *(n for n in OPTIONAL_FILES if (folder / n).exists())]
        files = [UsedFile.of(folder, name) for name in names]
        for part in PARTS:
            check_class(folder, index, part)
            files += files_of(folder, part, half=half and part.name != "vae")
        unet, vae = _check_fit(folder)
        _note_unused(index)
        factor = 2 ** (len(vae.get("block_out_channels", "1")) - 1)
        return ModelFolder(folder, tuple(files), index["scheduler"][1], unet, unet["sample_size"] * factor)
    except FileFault as fault:
        raise GeneratorUnavailable(f"generator folder {folder}: {fault}") from None
    except OSError as error:
        raise _unreadable(folder, error) from None


def _unreadable(folder: Path, error: OSError) -> GeneratorUnavailable:
    return GeneratorUnavailable(
        f"generator folder {folder} cannot be read ({error.strerror or error}); check its path and mode"
    )


def _without_index(folder: Path) -> str:
    if not folder.is_dir():
        return f"generator folder {folder} does not exist; {REMEDY}"
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return f"generator folder {folder} is empty; {REMEDY}"
    if any(name in _LORA_FILES for name in names):
        return (
            f"generator folder {folder} holds a LoRA, which changes a model and is none itself; list it "
            "under loras and give its base model as generator"
        )
    inside = [path.parent for path in sorted(folder.glob(f"*/{INDEX_FILE}"))]
    inside += [path.parent for path in sorted(folder.glob(f"snapshots/*/{INDEX_FILE}"))]
    if inside:
        return f"generator folder {folder} holds no {INDEX_FILE}, but {inside[0]} does; give that folder"
    if (folder.parent / INDEX_FILE).exists():
        return f"generator folder {folder} is one part of a pipeline; give the folder {folder.parent}"
    return f"generator folder {folder} holds no Stable Diffusion pipeline ({INDEX_FILE} is absent); {REMEDY}"


def _refuse_other_kinds(folder: Path, index: dict[str, Any]) -> None:
    """Stable Diffusion XL has the same classes of parts, and one text encoder more."""
    if "text_encoder_2" in index:
        kind = index.get("_class_name", "pipeline with two text encoders")
        raise GeneratorUnavailable(
            f"generator folder {folder} is a {kind}, as of Stable Diffusion XL; give a Stable Diffusion 1 or "
            "2 inpainting pipeline"
        )


def _check_fit(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configurations of UNet and VAE, if the parts fit each other and inpainting."""
    unet, vae, text = (read_object(folder / name / "config.json") for name in ("unet", "vae", "text_encoder"))
    channels = unet.get("in_channels", 4)
    if channels != 9:
        kind = ", as of a text-to-image model" if channels == 4 else ""
        raise GeneratorUnavailable(
            f"generator folder {folder}: its UNet has {channels} input channels{kind}; an inpainting UNet "
            "has 9; give an inpainting model"
        )
    wanted = (
        ("unet", "out_channels", unet.get("out_channels", 4), 4),
        ("vae", "latent_channels", vae.get("latent_channels", 4), 4),
        ("unet", "cross_attention_dim", unet.get("cross_attention_dim", 1280), text.get("hidden_size", 512)),
    )
    for part, key, found, needed in wanted:
        if found != needed:
            raise GeneratorUnavailable(
                f"generator folder {folder}: {key} of {part} is {found}, the other parts need {needed}; its "
                "parts are of different models, download it again"
            )
    side = unet.get("sample_size")
    if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= 512:
        raise GeneratorUnavailable(
            f"generator folder {folder}: sample_size of unet is {side!r}; expected the side of its latent "
            "image, 1 to 512"
        )
    for part, config in (("unet", unet), ("vae", vae), ("text_encoder", text)):
        if "quantization_config" in config:
            raise GeneratorUnavailable(
                f"generator folder {folder}: {part} is quantised; give the model in F16, BF16 or F32"
            )
    return unet, vae


def _note_unused(index: dict[str, Any]) -> None:
    for name in ("safety_checker", "image_encoder"):
        if isinstance(index.get(name), list) and any(index[name]):
            logger.info("the generator lists a %s, which is not loaded", name)


def _digest(files: Iterable[UsedFile]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        content = hashlib.sha256()
        with file.path.open("rb") as opened:
            while block := opened.read(2**20):
                content.update(block)
        digest.update(os.fsencode(file.name) + b"\0" + content.digest())
    return digest.hexdigest()


def licence_of(folder: Path) -> str:
    """The `license:` line of a model card's front matter, or `unknown`."""
    readme = folder / "README.md"
    text = read_bytes(readme).decode(errors="replace") if readme.is_file() else ""
    found = re.search(r"^license:\s*(\S+)", text, re.MULTILINE)
    return found.group(1) if found else "unknown"


def name_of(folder: Path) -> str:
    """The folder's name for provenance; bytes that are no text are replaced."""
    return os.fsencode(folder.absolute().name).decode(errors="replace") or "generator"
