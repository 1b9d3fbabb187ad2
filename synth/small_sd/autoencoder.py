"""Training the VAE's decoder: 16 px latents of 4 channels, from a fixed encoder, back to 64 px crops.

Loss: L1, squared error and L1 of the gradients, crops of little contrast (night, fog) have a higher weight.
The latents get a little noise, so that the decoder tolerates small errors of the UNet.
"""

import logging
from collections.abc import Callable

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.optim.swa_utils import AveragedModel

from synth.generation.exposure import exposures_of
from synth.small_sd.crops import CropSet
from synth.small_sd.projection import Projection, start_decoder, write_encoder
from synth.small_sd.schedule import Budget, Schedule, exponential_mean

logger = logging.getLogger(__name__)

_PEAK_RATE = 1e-3
_LATENT_NOISE = 0.07
_LOG_EVERY = 50


def as_tensor(crops: torch.Tensor) -> torch.Tensor:
    """(b, h, w, 3) uint8 BGR -> (b, 3, h, w) float32 RGB in [-1, 1]."""
    return crops.flip(-1).permute(0, 3, 1, 2).float().div(127.5).sub(1.0).contiguous()


def lifted(images: torch.Tensor, powers: torch.Tensor) -> torch.Tensor:
    """Images (b, c, h, w) in [-1, 1], each raised to its exponent (b,) on the scale 0 to 1."""
    return ((images + 1) / 2).clamp(0, 1).pow(powers[:, None, None, None]) * 2 - 1


def train_decoder(
    vae: AutoencoderKL, projection: Projection, crops: CropSet, budget: Budget, *,
    batch: int, seed: int, clock: Callable[[], float], device: str,
) -> tuple[AutoencoderKL, int]:  # fmt: skip
    """Write the encoder, train the decoder. Returns the averaged VAE on the CPU, and the steps taken."""
    draw = torch.Generator().manual_seed(seed)
    targets = torch.from_numpy(np.concatenate([crops.hazard, crops.empty]))
    powers = torch.from_numpy(exposures_of(crops.empty)).repeat(2)
    write_encoder(vae, projection)
    start_decoder(vae, projection)
    decoder = torch.nn.Sequential(vae.post_quant_conv, vae.decoder).to(device).train()
    average = AveragedModel(decoder, avg_fn=exponential_mean)
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=_PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    schedule, step = Schedule(budget, _PEAK_RATE, clock), 0
    while schedule.progress(step) < 1.0:
        rows = torch.randint(len(targets), (batch,), generator=draw)
        images = lifted(as_tensor(targets[rows]), powers[rows])
        mirrored = torch.rand(batch, generator=draw) < 0.5
        images[mirrored] = images[mirrored].flip(-1)
        latents = projection.encode(images)
        latents += _LATENT_NOISE * torch.randn(latents.shape, generator=draw)
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        with torch.autocast(device, torch.bfloat16):
            seen = decoder(latents.to(device))
        loss = _loss(seen.float(), images.to(device))
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(decoder)
        step += 1
        if step % _LOG_EVERY == 0:
            logger.info("decoder step %d loss %.4f after %.0f s", step, loss.item(), schedule.spent_s)
    decoder.load_state_dict(average.module.state_dict())
    trained: AutoencoderKL = vae.cpu().eval()
    return trained, step


def _loss(seen: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    wrong = seen - images
    weight = 0.5 / (images.std(dim=(1, 2, 3)) + 0.2)
    plain = wrong.abs().mean(dim=(1, 2, 3)) + 2.0 * wrong.square().mean(dim=(1, 2, 3))
    across = wrong.diff(dim=3).abs().mean(dim=(1, 2, 3))
    down = wrong.diff(dim=2).abs().mean(dim=(1, 2, 3))
    return (weight * (plain + 0.5 * (across + down))).mean()
