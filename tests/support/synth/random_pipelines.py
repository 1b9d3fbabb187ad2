"""Stable Diffusion inpainting pipelines with random weights, built from a folder of configurations."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from synth.generation.pipeline_loader import clip_tokenizer
from synth.generation.single_file import SHAPES_FOLDER

TINY: dict[str, dict[str, Any]] = {
    "unet": {
        "block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4, "attention_head_dim": 2,
        "cross_attention_dim": 16, "sample_size": 8,
    },
    "vae": {"block_out_channels": [8, 8, 8, 8], "norm_num_groups": 4, "sample_size": 64},
    "text_encoder": {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "projection_dim": 16,
    },
    "scheduler": {},
}  # fmt: skip


def tiny_shapes(folder: Path) -> Path:
    """The configurations of Stable Diffusion 1 inpainting with a handful of channels."""
    for part, changes in TINY.items():
        name = f"{part}/{'scheduler_config' if part == 'scheduler' else 'config'}.json"
        (folder / part).mkdir(parents=True)
        values = json.loads((SHAPES_FOLDER / name).read_text())
        (folder / name).write_text(json.dumps({**values, **changes}))
    (folder / "model_index.json").write_text((SHAPES_FOLDER / "model_index.json").read_text())
    return folder


def random_pipeline(
    shapes: Path, dtype: torch.dtype = torch.float32, *, contrast: float = 1.0
) -> StableDiffusionInpaintPipeline:
    """Untrained networks of these shapes. `contrast` multiplies the weights of the UNet's last layer."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        unet = UNet2DConditionModel.from_config(json.loads((shapes / "unet" / "config.json").read_text()))
        vae = AutoencoderKL.from_config(json.loads((shapes / "vae" / "config.json").read_text()))
        text = CLIPTextModel(CLIPTextConfig(**json.loads((shapes / "text_encoder/config.json").read_text())))
    finally:
        torch.set_default_dtype(before)
    with torch.no_grad():
        unet.conv_out.weight.mul_(contrast)
    return StableDiffusionInpaintPipeline(
        vae=vae, text_encoder=text, tokenizer=clip_tokenizer(), unet=unet,
        scheduler=PNDMScheduler.from_config(
            json.loads((shapes / "scheduler" / "scheduler_config.json").read_text())
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
