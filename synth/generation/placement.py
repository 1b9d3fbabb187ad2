"""Where a pipeline runs: what the options ask of machine and model, refused before loading, done after it.

Weights are in half precision on a card that was given one, and in single precision on a processor, whose
products autocast reduces. The VAE always computes in single precision, since half precision shows bands.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import StableDiffusionInpaintPipeline

from messaging.errors import ConfigurationError
from synth.generation.options import GeneratorOptions
from synth.torch_device import TorchDevice, choose_device

_DEFAULT_HEADS = 8


def choose_placement(options: GeneratorOptions, unet: Mapping[str, Any], name: str) -> TorchDevice:
    """The device for a model whose UNet has this configuration. Raises `ConfigurationError`."""
    where = choose_device(options.device, options.precision)
    if options.offload != "none" and where.device.type == "cpu":
        raise ConfigurationError(
            f"offload: {options.offload} needs a card, and torch found none here; remove offload"
        )
    if isinstance(options.attention_slicing, int):
        heads = unet.get("attention_head_dim", _DEFAULT_HEADS)
        fewest = min(heads) if isinstance(heads, Sequence) and heads else heads
        if isinstance(fewest, int) and options.attention_slicing > fewest:
            raise ConfigurationError(
                f"attention_slicing is {options.attention_slicing}, but attention of generator {name} has "
                f"{fewest} heads; give auto, max or 1 to {fewest}"
            )
    return where


def weights_type(where: TorchDevice) -> torch.dtype:
    """The type of the weights of UNet and text encoder."""
    return torch.float32 if where.device.type == "cpu" else where.dtype


def place(
    pipeline: StableDiffusionInpaintPipeline, where: TorchDevice, options: GeneratorOptions
) -> StableDiffusionInpaintPipeline:
    """Move the pipeline to its device, or leave it in memory and move its parts when they are used.

    The VAE stores channels last, which is a fifth faster on processors (the UNet would be slower so).
    """
    pipeline.vae.to(memory_format=torch.channels_last)
    if options.attention_slicing is not None:
        pipeline.enable_attention_slicing(options.attention_slicing)
    if options.vae_tiling:
        pipeline.vae.enable_tiling()
    if options.offload == "model":
        pipeline.enable_model_cpu_offload(device=where.device)
    elif options.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=where.device)
    else:
        pipeline.to(where.device)
    return pipeline


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed to allocate memory; the card's cache is emptied, so that a retry finds more."""
    out = isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
    if out and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return out
