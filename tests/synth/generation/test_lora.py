"""LoRAs: merged into the generator with their weight, and refused by their header for another base."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from synth.errors import GeneratorUnavailable
from synth.generation.inspection import inspected_generator
from synth.generation.lora import inspect_lora
from synth.generation.model_folder import BUNDLED_FOLDER
from synth.generation.options import GeneratorOptions, Lora
from synth.generation.stable_diffusion import DiffusionGenerator
from synth.order import Sampling
from synth.speed import plain_requests
from tests.support.synth.random_pipelines import random_pipeline, tiny_shapes

LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
SD1_WIDTH, TINY_WIDTH = 768, 16


def _lora(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def _of_width(width: int, outputs: int = 192, layer: str = LAYER) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        f"{layer}.lora_A.weight": torch.randn(4, width, generator=generator),
        f"{layer}.lora_B.weight": torch.randn(outputs, 4, generator=generator),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pipelines")
    random_pipeline(tiny_shapes(place / "shapes")).save_pretrained(place / "tiny")
    return place / "tiny"


def _opened(folder: Path, *loras: Lora) -> DiffusionGenerator:
    options = GeneratorOptions(loras=loras, precision="float32")
    return DiffusionGenerator.from_folder(folder, sampling=Sampling(steps=2), options=options)


def test_a_lora_changes_the_image_by_its_weight_and_is_part_of_name_and_digest(
    folder: Path, tmp_path: Path
) -> None:
    lora = tmp_path / "potholes"
    _lora(lora / "pytorch_lora_weights.safetensors", _of_width(TINY_WIDTH, outputs=16))
    plain, none, half, whole = (
        _opened(folder, *loras)
        for loras in ((), (Lora(path=lora, weight=0.0),), (Lora(path=lora, weight=0.5),), (Lora(path=lora),))
    )
    name = LAYER.removeprefix("unet.")
    weights = [
        generator._pipeline.unet.get_submodule(name).weight.detach()
        for generator in (plain, none, half, whole)
    ]
    assert torch.equal(weights[0], weights[1])
    assert torch.allclose(weights[3] - weights[0], 2 * (weights[2] - weights[0]), atol=1e-5)
    (request,) = plain_requests(plain.patch_px, 1)
    before, after = (generator.inpaint([request])[0].image.astype(int) for generator in (plain, whole))
    assert np.abs(before - after).max() >= 1
    assert whole.card.name == "tiny + potholes*1"
    assert len({generator.card.digest for generator in (plain, none, half, whole)}) == 4


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        (_of_width(2048), "is for Stable Diffusion XL, and the generator is Stable Diffusion 1"),
        (_of_width(1024), "is for Stable Diffusion 2, and the generator is Stable Diffusion 1"),
        (_of_width(4, layer="transformer.double_blocks.0.attn"), "is for Flux"),
        (_of_width(4, layer="lora_te2_text_model_encoder_layers_0"), "is for Stable Diffusion XL"),
        (_of_width(4, layer="transformer.blocks.0.attn"), "a transformer instead of a UNet"),
        (_of_width(SD1_WIDTH, layer=f"base_model.model.{LAYER}"), "save it by save_lora_weights"),
        ({"conv_in.weight": torch.zeros(2)}, "holds no LoRA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_lora_of_another_base_is_one_sentence(
    tmp_path: Path, tensors: dict[str, torch.Tensor], sentence: str
) -> None:
    path = _lora(tmp_path / "x.safetensors", tensors)
    with pytest.raises(GeneratorUnavailable, match=sentence) as refused:
        inspect_lora(Lora(path=path), SD1_WIDTH)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_header_of_a_lora_by_kohya_s_names_is_understood(tmp_path: Path) -> None:
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    tensors = {f"{name}.lora_down.weight": torch.zeros(4, 2048), f"{name}.lora_up.weight": torch.zeros(8, 4)}
    path = _lora(tmp_path / "x.safetensors", tensors)
    with pytest.raises(GeneratorUnavailable, match="is for Stable Diffusion XL"):
        inspect_lora(Lora(path=path), SD1_WIDTH)


def test_a_lora_file_that_is_cut_absent_or_a_pickle_is_one_sentence(tmp_path: Path) -> None:
    whole = _lora(tmp_path / "x.safetensors", _of_width(SD1_WIDTH))
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:-5])
    (tmp_path / "x.pt").write_bytes(b"\x80\x04")
    (tmp_path / "empty").mkdir()
    for name, sentence in (
        ("cut.safetensors", "is cut"), ("absent.safetensors", "cannot be read"), ("x.pt", "no .safetensors"),
        ("empty", "holds 0 .safetensors files"), ("", "holds 2 .safetensors files"),
    ):  # fmt: skip
        with pytest.raises(GeneratorUnavailable, match=sentence):
            inspect_lora(Lora(path=tmp_path / name), SD1_WIDTH)


@pytest.mark.parametrize("layer", [LAYER, "unet.no_block.0.attn2.to_k"])
def test_a_lora_that_fits_no_layer_is_one_sentence(folder: Path, tmp_path: Path, layer: str) -> None:
    path = _lora(tmp_path / "x.safetensors", _of_width(TINY_WIDTH, outputs=7, layer=layer))
    with pytest.raises(GeneratorUnavailable, match=r"LoRA .*x\.safetensors .*the generator") as refused:
        _opened(folder, Lora(path=path))
    assert "\n" not in str(refused.value)


def test_a_plan_inspects_the_loras_without_loading_anything(tmp_path: Path) -> None:
    path = _lora(tmp_path / "x.safetensors", _of_width(SD1_WIDTH))
    with pytest.raises(GeneratorUnavailable, match="same base"):
        inspected_generator(None, GeneratorOptions(loras=(Lora(path=path),)))
    width = json.loads((BUNDLED_FOLDER / "unet" / "config.json").read_text())["cross_attention_dim"]
    fitting = _lora(tmp_path / "y.safetensors", _of_width(width))
    found = inspected_generator(None, GeneratorOptions(loras=(Lora(path=fitting, weight=0.5),)))
    assert found.endswith("LoRA y*0.5")
