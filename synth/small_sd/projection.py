"""The encoder of the small VAE: four numbers for every 4 x 4 pixels, written as weights.

Three are the mean colour, in its principal axes (brightness, warm against cool, green against magenta); the
fourth is how brightness changes from top to bottom. By variance alone the other slope would come before green
against magenta, and those colours would be lost. A fixed linear encoder needs no training, so training time
goes into the decoder and the UNet. The weights are in an ordinary `AutoencoderKL`, so any diffusers program
can use it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional

FACTOR = 4
LATENTS = 4
_LEVEL = 30.0
_LOG_VARIANCE = -9.0


@dataclass(frozen=True, eq=False)
class Projection:
    """Latent = weight * patch + bias: weight (4, 3, 4, 4) over RGB in [-1, 1], bias (4,); unit variance."""

    weight: Tensor
    bias: Tensor

    def encode(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) RGB in [-1, 1] -> (b, 4, h/4, w/4), as the encoder's mean."""
        return functional.conv2d(images, self.weight, self.bias, stride=FACTOR)


def fit_projection(images: Tensor) -> Projection:
    """Fit the projection to images (n, 3, h, w) in [-1, 1]; each latent has mean 0 and variance 1."""
    patches = functional.unfold(images, FACTOR, stride=FACTOR).transpose(1, 2).reshape(-1, 3, FACTOR, FACTOR)
    rows = patches.double().numpy()
    _, axes = np.linalg.eigh(np.cov(rows.mean(axis=(2, 3)), rowvar=False))
    weight = np.empty((LATENTS, 3, FACTOR, FACTOR))
    weight[:3] = axes.T[::-1, :, None, None]
    weight[3] = np.linspace(-1, 1, FACTOR)[:, None]
    weight *= np.sign(weight[:, :1, -1:, -1:])
    found = np.einsum("kcyx,ncyx->nk", weight, rows)
    weight /= found.std(axis=0)[:, None, None, None]
    bias = -found.mean(axis=0) / found.std(axis=0)
    return Projection(torch.from_numpy(weight).float(), torch.from_numpy(bias).float())


@torch.no_grad()
def read_projection(vae: AutoencoderKL) -> Projection:
    """Read the projection from an encoder that `write_encoder` wrote, signs of components included."""
    conv = vae.encoder.down_blocks[1].downsamplers[0].conv
    quarters = conv.weight[:LATENTS, :12, :2, :2].reshape(LATENTS, 2, 2, 3, 2, 2)
    weight = quarters.permute(0, 3, 4, 1, 5, 2).reshape(LATENTS, 3, FACTOR, FACTOR)
    return Projection(weight.float().contiguous(), _bias(conv)[:LATENTS].float().clone())


@torch.no_grad()
def write_encoder(vae: AutoencoderKL, projection: Projection) -> None:
    """Make the encoder compute the projection: space to depth, then a matrix, then a linear pass.

    Residual branches are silenced. The last normalisation and SiLU are made linear by pairs: each
    component is in a group as u and -u beside constants +c and -c far above it, so that the group's
    mean is 0 and its deviation constant, and silu(a) - silu(-a) = a.
    """
    encoder = vae.encoder
    first, second, third = encoder.down_blocks
    _silence([*first.resnets, *second.resnets, *third.resnets, *encoder.mid_block.resnets])
    _pick(encoder.conv_in, {(c, c): (1, 1) for c in range(3)})
    _pick(
        first.downsamplers[0].conv,
        {(3 * (2 * y + x) + c, c): (y, x) for y in range(2) for x in range(2) for c in range(3)},
    )
    _pick(second.resnets[0].conv_shortcut, {(c, c): (0, 0) for c in range(12)})
    conv = second.downsamplers[0].conv
    _pick(conv, {})
    quarters = projection.weight.reshape(LATENTS, 3, 2, 2, 2, 2).permute(0, 2, 4, 3, 5, 1)
    conv.weight[:LATENTS, :12, :2, :2] = quarters.permute(0, 3, 4, 5, 1, 2).reshape(LATENTS, 12, 2, 2)
    _bias(conv)[:LATENTS] = projection.bias
    _linear_tail(third.resnets[0].conv_shortcut, encoder.conv_norm_out, encoder.conv_out)
    _bias(encoder.conv_out)[LATENTS:] = _LOG_VARIANCE
    _pick(vae.quant_conv, {(c, c): (0, 0) for c in range(2 * LATENTS)})


def _linear_tail(shortcut: nn.Conv2d, norm: nn.GroupNorm, out: nn.Conv2d) -> None:
    """Channel k goes into group k as (u, -u, c, -c) and comes out of `out` as output k, unchanged."""
    _pick(shortcut, {})
    width = norm.num_channels // norm.num_groups
    norm.weight.fill_(_LEVEL * (2 / width) ** 0.5)
    norm.bias.zero_()
    _pick(out, {})
    for k in range(LATENTS):
        at = k * width
        shortcut.weight[at, k], shortcut.weight[at + 1, k] = 1.0, -1.0
        _bias(shortcut)[at + 2], _bias(shortcut)[at + 3] = _LEVEL, -_LEVEL
        out.weight[k, at, 1, 1], out.weight[k, at + 1, 1, 1] = 1.0, -1.0


@torch.no_grad()
def start_decoder(vae: AutoencoderKL, projection: Projection) -> None:
    """Initialise the decoder to enlarge the mean colour of each latent smoothly; training adds detail."""
    decoder = vae.decoder
    first, second, third = decoder.up_blocks
    for resnet in [r for b in (decoder.mid_block, first, second, third) for r in b.resnets]:
        resnet.conv2.weight.mul_(0.1)
        resnet.conv2.bias.zero_()
    _pick(vae.post_quant_conv, {(c, c): (0, 0) for c in range(LATENTS)})
    _route(decoder.conv_in)
    for block in (first, second):
        _route(block.upsamplers[0].conv, smooth=True)
    _route(second.resnets[0].conv_shortcut)
    inverse = torch.linalg.pinv(projection.weight.reshape(LATENTS, -1))
    colours = inverse.reshape(3, FACTOR * FACTOR, LATENTS).mean(dim=1)
    width = decoder.conv_norm_out.num_channels // decoder.conv_norm_out.num_groups
    decoder.conv_norm_out.weight.fill_(_LEVEL * (2 / width) ** 0.5)
    _pick(decoder.conv_out, {})
    shortcut = third.resnets[0].conv_shortcut
    for k in range(3):
        at = k * width
        shortcut.weight[at : at + 4] = 0.0
        shortcut.bias[at : at + 4] = 0.0
        centre = -(colours[k] @ projection.bias)
        for row, sign in ((at, 1.0), (at + 1, -1.0)):
            shortcut.weight[row, :LATENTS, 0, 0] = sign * colours[k]
            shortcut.bias[row] = sign * centre
        shortcut.bias[at + 2], shortcut.bias[at + 3] = _LEVEL, -_LEVEL
        decoder.conv_out.weight[k, at, 1, 1], decoder.conv_out.weight[k, at + 1, 1, 1] = 1.0, -1.0


def _route(conv: nn.Conv2d, *, smooth: bool = False) -> None:
    """The first four channels pass as they are (smoothed over 3 x 3 if `smooth`); others keep their start."""
    side = conv.kernel_size[0]
    line = torch.tensor([1.0, 2.0, 1.0]) / 4 if smooth else functional.one_hot(torch.tensor(side // 2), side)
    kernel = torch.outer(line, line).float()
    conv.weight[:LATENTS] = 0.0
    _bias(conv)[:LATENTS] = 0.0
    for k in range(LATENTS):
        conv.weight[k, k] = kernel


def _pick(conv: nn.Conv2d, taps: dict[tuple[int, int], tuple[int, int]]) -> None:
    """Clear a convolution, then set (output, input) channels to 1 at kernel (row, column)."""
    conv.weight.zero_()
    _bias(conv).zero_()
    for (to, source), (row, column) in taps.items():
        conv.weight[to, source, row, column] = 1.0


def _bias(conv: nn.Conv2d) -> Tensor:
    if conv.bias is None:
        raise TypeError("the autoencoder's convolutions have biases")
    return conv.bias


def _silence(resnets: list[ResnetBlock2D]) -> None:
    for resnet in resnets:
        _pick(resnet.conv2, {})
