"""A whole model in one file: inspected by its header, opened without a network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from synth.errors import GeneratorUnavailable
from synth.generation.inspection import inspected_generator
from synth.generation.model_format import SamplingUsed
from synth.generation.options import GeneratorOptions
from synth.generation.pipeline_loader import clip_tokenizer, load_single_file
from synth.generation.single_file import inspect_file
from synth.generation.stable_diffusion import DiffusionGenerator
from synth.order import Sampling
from synth.speed import plain_requests
from tests.support.synth.original_layout import original_layout
from tests.support.synth.random_pipelines import random_pipeline, tiny_shapes

TWO_STEPS, EXACT = Sampling(steps=2), GeneratorOptions(precision="float32", batch=1)
UNET = "model.diffusion_model.input_blocks"
WHOLE = {
    f"{UNET}.0.0.weight": (4, 9, 3, 3),
    f"{UNET}.1.1.transformer_blocks.0.attn2.to_k.weight": (4, 768),
    "first_stage_model.encoder.conv_in.weight": (4,),
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight": (4,),
}


def _file(path: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    save_file({name: np.zeros(shape, np.float16) for name, shape in shapes.items()}, path)
    return path


def _without(start: str) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in WHOLE.items() if not name.startswith(start)}


def test_a_stable_diffusion_1_inpainting_file_is_known_by_its_header(tmp_path: Path) -> None:
    model = inspect_file(_file(tmp_path / "sd.safetensors", WHOLE))
    assert (model.patch_px, model.unet["cross_attention_dim"]) == (512, 768)
    other = inspect_file(_file(tmp_path / "other.safetensors", {**WHOLE, "first_stage_model.x": (1,)}))
    assert model.digest != other.digest


@pytest.mark.parametrize(
    ("shapes", "sentence"),
    [
        ({**WHOLE, "double_blocks.0.img_attn.proj.weight": (1,)}, "is a Flux model"),
        ({**WHOLE, "conditioner.embedders.0.x": (1,)}, "is a Stable Diffusion XL model"),
        ({"model.diffusion_model.joint_blocks.0.x": (1,)}, "is a Stable Diffusion 3 model"),
        ({"lora_unet_x.lora_down.weight": (1,)}, "is a LoRA"),
        ({**WHOLE, f"{UNET}.0.0.weight": (4, 4, 3, 3)}, "4 input channels, as of a text-to-image model"),
        (
            {**WHOLE, f"{UNET}.1.1.transformer_blocks.0.attn2.to_k.weight": (4, 1024)},
            "text of width 1024 .Stable Diffusion 2.",
        ),
        (_without("first_stage_model"), "lacks its VAE"),
        (_without("cond_stage_model"), "lacks its text encoder"),
        (_without("model.diffusion_model"), "lacks its UNet"),
        (_without(f"{UNET}.1"), "lacks its UNet's first layers"),
        ({"conv_in.weight": (4, 9, 3, 3)}, "it may be one part of a pipeline"),
    ],
)
def test_another_kind_of_file_is_one_sentence(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], sentence: str
) -> None:
    path = _file(tmp_path / "model.safetensors", shapes)
    with pytest.raises(GeneratorUnavailable, match=sentence) as refused:
        inspected_generator(str(path))
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_cut_or_of_another_format_is_one_sentence(tmp_path: Path) -> None:
    whole = _file(tmp_path / "whole.safetensors", WHOLE).read_bytes()
    for name, content, sentence in (
        ("cut.safetensors", whole[:-3], "is cut: 3 of"),
        ("header.safetensors", whole[:60], "is cut: it ends inside its header"),
        ("page.safetensors", b"<!DOCTYPE html>", "is a web page"),
        ("pointer.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("empty.safetensors", b"", "is empty"),
        ("model.ckpt", b"\x80\x04", "can run any program"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(GeneratorUnavailable, match=sentence):
            inspected_generator(str(tmp_path / name))


def test_a_single_file_gives_the_images_of_the_folder_with_the_same_weights(tmp_path: Path) -> None:
    shapes = tiny_shapes(tmp_path / "shapes")
    made = random_pipeline(shapes)
    save_torch_file(original_layout(made), tmp_path / "tiny.safetensors")
    made.save_pretrained(tmp_path / "folder")
    model = inspect_file(tmp_path / "tiny.safetensors", shapes)
    opened = load_single_file(model, torch.float32, shapes)
    whole = DiffusionGenerator.from_folder(tmp_path / "folder", sampling=TWO_STEPS, options=EXACT)
    single = DiffusionGenerator(
        opened, whole.card, whole._where, sampling=SamplingUsed(steps=2, guidance=7.5, batch=1)
    )
    (request,) = plain_requests(model.patch_px, 1)
    patches = [generator.inpaint([request])[0].image.astype(int) for generator in (whole, single)]
    assert whole.patch_px == single.patch_px == 64
    assert np.abs(patches[0] - patches[1]).max() <= 1
    street = whole.generate("an empty street", seed=1, width=96, height=48)
    assert street.shape == (48, 96, 3)
    assert (
        np.abs(street.astype(int) - single.generate("an empty street", seed=1, width=96, height=48)).max()
        <= 1
    )


def test_a_file_that_lacks_a_tensor_is_one_sentence(tmp_path: Path) -> None:
    shapes = tiny_shapes(tmp_path / "shapes")
    tensors = original_layout(random_pipeline(shapes))
    del tensors["model.diffusion_model.out.2.weight"]
    save_torch_file(tensors, tmp_path / "tiny.safetensors")
    with pytest.raises(GeneratorUnavailable, match=r"tiny\.safetensors") as refused:
        load_single_file(inspect_file(tmp_path / "tiny.safetensors", shapes), torch.float32, shapes)
    assert "\n" not in str(refused.value)


def test_the_shipped_merges_give_the_tokenizer_of_clip() -> None:
    tokens = clip_tokenizer()
    assert len(tokens) == 49408
    assert tokens("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    padded = tokens("fire", padding="max_length", truncation=True, max_length=77).input_ids
    assert (len(padded), padded[-1]) == (77, 49407)
