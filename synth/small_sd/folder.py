"""Write trained parts as a standard pipeline folder in half precision, completely or not at all.

The folder opens with `StableDiffusionInpaintPipeline.from_pretrained(folder, safety_checker=None)`; it also
has `prototype_projection.safetensors` and `input_format.json`, which other programs may ignore.
"""

import copy
import json
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline
from safetensors.torch import save_file
from transformers import CLIPTokenizer

from synth.generation.model_folder import INPUT_FORMAT_FILE, PROTOTYPE_FILE
from synth.small_sd.denoiser import DenoiserParts


def write_folder(
    folder: Path, *, vae: AutoencoderKL, parts: DenoiserParts, tokens: CLIPTokenizer, noising: DDIMScheduler
) -> None:
    """Write the pipeline beside `folder`, then replace `folder` by it; README and images there are kept."""
    fresh = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
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
    (fresh / INPUT_FORMAT_FILE).write_text(json.dumps({"background": "shown", "exposure": "levelled"}) + "\n")
    for kept in (*folder.glob("*.md"), *folder.glob("*.png")):
        shutil.copy2(kept, fresh / kept.name)
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    fresh.replace(folder)
    shutil.rmtree(old, ignore_errors=True)
