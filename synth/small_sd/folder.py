"""Write trained parts as a standard pipeline folder in half precision, completely or not at all.

The folder opens with `StableDiffusionInpaintPipeline.from_pretrained(folder, safety_checker=None)`; it also
has `prototype_projection.safetensors`, `prototype_space.json` (if it was trained with prototypes),
`input_format.json` and `sampling.json`, which other programs ignore.
"""

import copy
import json
import shutil
import tempfile
from pathlib import Path

from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline
from safetensors.torch import save_file
from transformers import CLIPTokenizer

from messaging.errors import ConfigurationError
from synth.generation.model_folder import OPTIONAL_FILES, PROTOTYPE_FILE
from synth.generation.model_format import (
    INPUT_FORMAT_FILE,
    PROTOTYPE_SPACE_FILE,
    SAMPLING_FILE,
    prototype_space_json,
)
from synth.generation.model_parts import INDEX_FILE, PARTS
from synth.small_sd.denoiser import DenoiserParts

_KEPT = (".md", ".png")
_MODEL_NAMES = {INDEX_FILE, *OPTIONAL_FILES, *(part.name for part in PARTS)}
_MODE = 0o755
_INPUT_FORMAT = {"background": "shown", "exposure": "levelled", "prompts": "closed vocabulary"}
_SAMPLING = {"steps": 8, "guidance": 3.0, "batch": 16}


def refuse_foreign_folder(folder: Path) -> None:
    """Raise `ConfigurationError` unless the folder is absent, empty or a model, which may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file; give a folder for the model")
    names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    others = [name for name in names if Path(name).suffix not in _KEPT]
    if others and (INDEX_FILE not in others or not set(others) <= _MODEL_NAMES):
        foreign = sorted(set(others) - _MODEL_NAMES) or others
        raise ConfigurationError(
            f"{folder} holds something else than a model ({foreign[0]}) and would be replaced; "
            "give a new or an empty folder"
        )


def write_folder(
    folder: Path,
    *,
    vae: AutoencoderKL,
    parts: DenoiserParts,
    tokens: CLIPTokenizer,
    noising: DDIMScheduler,
    prototype_space: str | None,
) -> None:
    """Write the pipeline beside `folder`, then replace `folder` by it; README and images there are kept.

    `prototype_space` is the `embedding_digest` of the prototypes that it was trained with, if any.
    Raises `ConfigurationError` when `folder` holds something else than a model.
    """
    refuse_foreign_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.part-"))
    fresh.chmod(_MODE)
    vae.register_to_config(_name_or_path="small-sd")  # else the folder it was loaded from is published
    pipeline = StableDiffusionInpaintPipeline(
        vae=copy.deepcopy(vae).half(),
        text_encoder=copy.deepcopy(parts.text).half(),
        tokenizer=tokens,
        unet=copy.deepcopy(parts.unet).half(),
        scheduler=noising,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(fresh, safe_serialization=True)
    tokens.backend_tokenizer.model.save(str(fresh / "tokenizer"))
    token = {name: value.detach().half().contiguous() for name, value in parts.token.state_dict().items()}
    save_file(token, fresh / PROTOTYPE_FILE)
    if prototype_space is not None:
        (fresh / PROTOTYPE_SPACE_FILE).write_text(prototype_space_json(prototype_space))
    (fresh / INPUT_FORMAT_FILE).write_text(json.dumps(_INPUT_FORMAT) + "\n")
    (fresh / SAMPLING_FILE).write_text(json.dumps(_SAMPLING) + "\n")
    for kept in (path for suffix in _KEPT for path in folder.glob(f"*{suffix}")):
        shutil.copy2(kept, fresh / kept.name)
    if not folder.exists():
        fresh.replace(folder)
        return
    old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old-"))
    folder.replace(old)
    fresh.replace(folder)
    shutil.rmtree(old, ignore_errors=True)
