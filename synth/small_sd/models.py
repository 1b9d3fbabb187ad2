"""The parts of the small Stable Diffusion, built fresh: sizes, tokenizer, scheduler, prototype token.

All are the standard classes of diffusers and transformers, so that the folder written in the end opens
with `StableDiffusionInpaintPipeline.from_pretrained`. Nothing here trains or reads images.
"""

import json
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from synth.generation.generator import PROTOTYPE_WIDTH
from synth.planning.prompts import VOCABULARY

START, END = "<|startoftext|>", "<|endoftext|>"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.-'"


@dataclass(frozen=True)
class Sizes:
    """Widths of the networks; the defaults are the shipped model, tests take smaller ones."""

    patch_px: int = 64
    vae_channels: tuple[int, ...] = (24, 64, 96)
    vae_layers: int = 1
    vae_groups: int = 4
    unet_channels: tuple[int, ...] = (64, 128, 192)
    unet_layers: int = 1
    unet_groups: int = 32
    heads: int = 4
    text_width: int = 128
    text_layers: int = 2
    prompt_tokens: int = 28

    @property
    def latent_px(self) -> int:
        """Side of the latent image, pixels."""
        return self.patch_px >> (len(self.vae_channels) - 1)


def autoencoder(sizes: Sizes) -> AutoencoderKL:
    """A fresh VAE with 4 latent channels, without attention."""
    levels = len(sizes.vae_channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=sizes.vae_channels,
        layers_per_block=sizes.vae_layers,
        latent_channels=4,
        norm_num_groups=sizes.vae_groups,
        sample_size=sizes.patch_px,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def denoiser(sizes: Sizes) -> UNet2DConditionModel:
    """A fresh inpainting UNet: noisy latent 4, mask 1, masked latent 4; text at the lower levels."""
    levels = len(sizes.unet_channels)
    return UNet2DConditionModel(
        sample_size=sizes.latent_px,
        in_channels=9,
        out_channels=4,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * (levels - 1)),
        up_block_types=(*("CrossAttnUpBlock2D",) * (levels - 1), "UpBlock2D"),
        block_out_channels=sizes.unet_channels,
        layers_per_block=sizes.unet_layers,
        cross_attention_dim=sizes.text_width,
        attention_head_dim=sizes.heads,
        norm_num_groups=sizes.unet_groups,
    )


def scheduler() -> DDIMScheduler:
    """DDIM with v-prediction and zero terminal SNR (Lin et al. 2024), so that dark stays dark."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


def tokenizer(sizes: Sizes) -> CLIPTokenizer:
    """A CLIP tokenizer whose merges make one token of every word of the prompt vocabulary."""
    model = Tokenizer(BPE(end_of_word_suffix="</w>"))
    model.pre_tokenizer = WhitespaceSplit()
    endings = [f"{letter}</w>" for letter in _LETTERS]
    trainer = BpeTrainer(
        vocab_size=100_000,
        min_frequency=0,
        show_progress=False,
        initial_alphabet=list(_LETTERS),
        end_of_word_suffix="</w>",
        special_tokens=[START, END, *endings],
    )
    model.train_from_iterator([" ".join((*VOCABULARY, ","))], trainer)
    state = json.loads(model.to_str())["model"]
    merges = [tuple(pair) for pair in state["merges"]]
    return CLIPTokenizer(vocab=state["vocab"], merges=merges, model_max_length=sizes.prompt_tokens)


def text_encoder(sizes: Sizes, tokens: CLIPTokenizer) -> CLIPTextModel:
    """A fresh CLIP text model over that vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokens),
            hidden_size=sizes.text_width,
            intermediate_size=4 * sizes.text_width,
            projection_dim=sizes.text_width,
            num_hidden_layers=sizes.text_layers,
            num_attention_heads=4,
            max_position_embeddings=sizes.prompt_tokens,
            bos_token_id=tokens.bos_token_id,
            eos_token_id=tokens.eos_token_id,
            pad_token_id=tokens.pad_token_id,
        )
    )


class PrototypeToken(torch.nn.Module):
    """A prototype as one more token of the prompt: a linear layer, and a learned token for none."""

    def __init__(self, text_width: int) -> None:
        super().__init__()
        self.projection = torch.nn.Linear(PROTOTYPE_WIDTH, text_width)
        self.null = torch.nn.Parameter(torch.zeros(text_width))

    def forward(self, vectors: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """(b, 64) unit vectors and (b,) bool, whether there is one -> (b, 1, width) tokens."""
        tokens = torch.where(known[:, None], self.projection(vectors), self.null)
        return tokens[:, None, :]
