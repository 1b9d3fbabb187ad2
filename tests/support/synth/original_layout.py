"""A Stable Diffusion 1 pipeline in the original layout of one file, as training programs write it.

The inverse of what diffusers does when it opens such a file, for models with four levels of blocks.
"""

from typing import Any

import torch
from diffusers import StableDiffusionInpaintPipeline

_UNET = {
    "time_embedding.linear_1.": "time_embed.0.", "time_embedding.linear_2.": "time_embed.2.",
    "conv_in.": "input_blocks.0.0.", "conv_norm_out.": "out.0.", "conv_out.": "out.2.",
    "mid_block.attentions.0.": "middle_block.1.", "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.resnets.1.": "middle_block.2.",
    **{
        f"down_blocks.{i}.{kind}.{j}.": f"input_blocks.{3 * i + j + 1}.{number}."
        for i in range(4) for j in range(2) for kind, number in (("resnets", 0), ("attentions", 1))
    },
    **{
        f"up_blocks.{i}.{kind}.{j}.": f"output_blocks.{3 * i + j}.{number}."
        for i in range(4) for j in range(3) for kind, number in (("resnets", 0), ("attentions", 1))
    },
    **{f"down_blocks.{i}.downsamplers.0.conv.": f"input_blocks.{3 * i + 3}.0.op." for i in range(3)},
    **{f"up_blocks.{i}.upsamplers.0.": f"output_blocks.{3 * i + 2}.{min(i, 1) + 1}." for i in range(3)},
}  # fmt: skip
_UNET_RESNET = {
    "norm1.": "in_layers.0.", "conv1.": "in_layers.2.", "norm2.": "out_layers.0.", "conv2.": "out_layers.3.",
    "time_emb_proj.": "emb_layers.1.", "conv_shortcut.": "skip_connection.",
}  # fmt: skip
_VAE = {
    "conv_norm_out.": "norm_out.", "mid_block.attentions.0.": "mid.attn_1.",
    "mid_block.resnets.0.": "mid.block_1.", "mid_block.resnets.1.": "mid.block_2.",
    **{f"down_blocks.{i}.resnets.{j}.": f"down.{i}.block.{j}." for i in range(4) for j in range(2)},
    **{f"down_blocks.{i}.downsamplers.0.": f"down.{i}.downsample." for i in range(3)},
    **{f"up_blocks.{i}.resnets.{j}.": f"up.{3 - i}.block.{j}." for i in range(4) for j in range(3)},
    **{f"up_blocks.{i}.upsamplers.0.": f"up.{3 - i}.upsample." for i in range(3)},
    "conv_shortcut.": "nin_shortcut.",
}  # fmt: skip
_VAE_ATTENTION = {
    "group_norm.": "norm.", "to_q.": "q.", "to_k.": "k.", "to_v.": "v.", "to_out.0.": "proj_out.",
}  # fmt: skip


def original_layout(pipeline: StableDiffusionInpaintPipeline) -> dict[str, torch.Tensor]:
    """All tensors of UNet, VAE and text encoder by their names in the original layout."""
    tensors: dict[str, torch.Tensor] = {}
    for name, value in pipeline.unet.state_dict().items():
        resnet = _UNET_RESNET if ".resnets." in name else {}
        tensors[f"model.diffusion_model.{_renamed(name, _UNET, resnet)}"] = value.contiguous()
    for name, value in pipeline.vae.state_dict().items():
        attention = _VAE_ATTENTION if ".attentions." in name else {}
        tensor = value[..., None, None] if attention and value.ndim == 2 else value
        tensors[f"first_stage_model.{_renamed(name, _VAE, attention)}"] = tensor.contiguous()
    for name, value in pipeline.text_encoder.state_dict().items():
        plain = name.removeprefix("text_model.")
        tensors[f"cond_stage_model.transformer.text_model.{plain}"] = value.contiguous()
    return tensors


def _renamed(name: str, *tables: dict[str, Any]) -> str:
    for table in tables:
        for old, new in table.items():
            if name.startswith(old) or f".{old}" in name:
                name = name.replace(old, new, 1)
                break
    return name
