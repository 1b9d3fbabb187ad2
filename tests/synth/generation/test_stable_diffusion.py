"""The generator on diffusers, with a tiny untrained pipeline of the real classes."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args
from unittest.mock import Mock
from unittest.mock import call as mock_call

import numpy as np
import pytest
import torch

import synth.generation.stable_diffusion
import synth.torch_device
from messaging.errors import ConfigurationError
from synth.errors import GeneratorUnavailable
from synth.generation.generator import PROTOTYPE_WIDTH, PatchRequest
from synth.generation.model_folder import BUNDLED_FOLDER, PROTOTYPE_FILE
from synth.generation.model_format import PROTOTYPE_SPACE_FILE, SamplingUsed
from synth.generation.options import GeneratorOptions
from synth.generation.placement import place, weights_type
from synth.generation.stable_diffusion import DiffusionGenerator
from synth.order import Sampler, Sampling
from synth.small_sd.denoiser import DenoiserParts
from synth.small_sd.folder import write_folder
from synth.small_sd.models import (
    PrototypeToken,
    Sizes,
    autoencoder,
    denoiser,
    scheduler,
    text_encoder,
    tokenizer,
)
from synth.torch_device import Machine, TorchDevice
from tests.support.trouble.generator_folders import linked_copy

SIDE = 32
TINY = Sizes(
    patch_px=SIDE, vae_channels=(8, 8, 8), vae_groups=4, unet_channels=(16, 16, 16), unet_groups=4,
    heads=2, text_width=16, text_layers=1,
)  # fmt: skip
SPACE = "a" * 64
SAMPLING = Sampling(steps=2, guidance=3.0)
OPTIONS = GeneratorOptions(batch=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    tokens = tokenizer(TINY)
    token = PrototypeToken(TINY.text_width)
    torch.nn.init.normal_(token.projection.weight, std=3.0)
    parts = DenoiserParts(denoiser(TINY), text_encoder(TINY, tokens), token)
    torch.nn.init.normal_(parts.unet.conv_out.weight, std=0.3)
    path = tmp_path_factory.mktemp("pipelines") / "tiny"
    write_folder(
        path, vae=autoencoder(TINY), parts=parts, tokens=tokens, noising=scheduler(), prototype_space=SPACE
    )
    (path / "README.md").write_text("---\nlicense: agpl-3.0-or-later\n---\n")
    return path


@pytest.fixture(scope="module")
def generator(folder: Path) -> DiffusionGenerator:
    return DiffusionGenerator.from_folder(folder, sampling=SAMPLING, options=OPTIONS)


def _request(seed: int = 1, prompt: str = "a photo of fire", prototype: int | None = None) -> PatchRequest:
    patch = np.random.default_rng(7).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[8:24, 8:24] = True
    vector = None if prototype is None else np.eye(PROTOTYPE_WIDTH, dtype=np.float32)[prototype]
    return PatchRequest(prompt, patch, mask, seed, vector)


def _difference(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(int) - second.astype(int)).max())


def test_patches_come_in_order_of_the_requests_and_in_the_size_of_the_patch(
    generator: DiffusionGenerator,
) -> None:
    patches = generator.inpaint([_request(seed) for seed in range(5)])
    assert [p.provenance.seed for p in patches] == [0, 1, 2, 3, 4]
    assert all(p.image.shape == (SIDE, SIDE, 3) and p.image.dtype == np.uint8 for p in patches)
    assert generator.patch_px == SIDE
    assert generator.inpaint([]) == []


def test_the_same_request_gives_the_same_patch_in_any_batch(generator: DiffusionGenerator) -> None:
    alone = generator.inpaint([_request(3)])[0].image
    among = generator.inpaint([_request(1), _request(2), _request(9), _request(3)])[3].image
    assert np.array_equal(alone, generator.inpaint([_request(3)])[0].image)
    assert _difference(alone, among) <= 1


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (_request(seed=2), "another seed"),
        (_request(prompt="a photo of smoke"), "another prompt"),
        (_request(prototype=3), "a prototype"),
    ],
)
def test_what_changes_an_inpainted_patch(
    generator: DiffusionGenerator, other: PatchRequest, what: str
) -> None:
    first, second = generator.inpaint([_request(), other])
    assert _difference(first.image, second.image) > 1, what


def test_another_prototype_gives_another_patch_and_its_length_does_not(
    generator: DiffusionGenerator,
) -> None:
    one, other = _request(prototype=3), _request(prototype=40)
    longer = PatchRequest(one.prompt, one.patch, one.mask, one.seed, 5 * np.asarray(one.prototype))
    patches = [p.image for p in generator.inpaint([one, other])]
    assert _difference(*patches) > 1
    assert _difference(patches[0], generator.inpaint([longer, other])[0].image) <= 1


def test_an_unguided_request_is_inpainted_without_guidance_among_guided_ones(
    generator: DiffusionGenerator,
) -> None:
    plain = replace(_request(4), guided=False)
    patches = generator.inpaint([_request(4), plain, _request(5)])
    assert [p.provenance.guidance for p in patches] == [3.0, 1.0, 3.0]
    assert _difference(patches[0].image, patches[1].image) > 1
    assert _difference(patches[1].image, generator.inpaint([plain])[0].image) <= 1


def test_the_input_format_of_a_folder_decides_whether_dark_patches_are_brightened(
    folder: Path, tmp_path: Path
) -> None:
    dark = np.random.default_rng(5).integers(8, 20, (SIDE, SIDE, 3), dtype=np.uint8)
    bright = np.random.default_rng(5).integers(140, 200, (SIDE, SIDE, 3), dtype=np.uint8)
    plain = tmp_path / "plain"
    shutil.copytree(folder, plain)
    (plain / "input_format.json").unlink()
    lifting, other = (DiffusionGenerator.from_folder(f, sampling=SAMPLING) for f in (folder, plain))
    assert _difference(lifting.reconstruct([dark])[0], other.reconstruct([dark])[0]) > 1
    assert _difference(lifting.reconstruct([bright])[0], other.reconstruct([bright])[0]) == 0


def test_provenance_names_model_prompt_seed_and_sampling(generator: DiffusionGenerator) -> None:
    provenance = generator.inpaint([_request(11, prototype=1)])[0].provenance
    assert (provenance.generator, provenance.licence) == ("tiny", "agpl-3.0-or-later")
    assert (provenance.prompt, provenance.seed, provenance.steps, provenance.guidance) == (
        "a photo of fire",
        11,
        2,
        3.0,
    )
    assert provenance.prototype
    assert provenance.digest == generator.card.digest
    assert len(provenance.digest) == 64


def test_the_digest_changes_with_the_weights_and_not_with_the_card(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.rglob("*"):
        if path.is_file():
            target = copy / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (copy / "README.md").write_text("another card")
    digest = DiffusionGenerator.from_folder(folder).card.digest
    assert DiffusionGenerator.from_folder(copy).card.digest == digest
    (copy / PROTOTYPE_FILE).unlink()
    without = DiffusionGenerator.from_folder(copy, sampling=SAMPLING)
    assert without.card.digest != digest
    assert without.card.licence == "unknown"


def test_a_pipeline_without_projection_ignores_prototypes(folder: Path, tmp_path: Path) -> None:
    whole = DiffusionGenerator.from_folder(folder)
    plain = DiffusionGenerator(
        whole._pipeline, whole.card, whole._where, sampling=SamplingUsed(steps=2, batch=2)
    )
    with_one, without = plain.inpaint([_request(prototype=3), _request()])
    assert (whole.prototype_space, plain.prototype_space) == (SPACE, None)
    assert _difference(with_one.image, without.image) <= 1
    assert not with_one.provenance.prototype


def test_a_model_that_does_not_state_the_space_of_its_prototypes_takes_none(
    folder: Path, tmp_path: Path
) -> None:
    copy = linked_copy(folder, tmp_path / "copy")
    (copy / PROTOTYPE_SPACE_FILE).unlink()
    unstated = DiffusionGenerator.from_folder(copy)
    assert unstated.prototype_space is None
    assert unstated.description()["prototypes"] == "ignored"


def test_reconstruction_needs_no_randomness(generator: DiffusionGenerator) -> None:
    patches = [_request().patch] * 3
    first, again = generator.reconstruct(patches), generator.reconstruct(patches)
    assert [p.shape for p in first] == [(SIDE, SIDE, 3)] * 3
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_patch_of_another_size_is_refused(generator: DiffusionGenerator) -> None:
    wrong = PatchRequest("a photo", np.zeros((16, 16, 3), np.uint8), np.ones((16, 16), np.bool_), 1)
    with pytest.raises(ConfigurationError, match="tiny takes patches of 32 px; got 16 px"):
        generator.inpaint([wrong])


def test_a_missing_folder_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        GeneratorUnavailable, match=r"generator folder .*nowhere does not exist.*--out FOLDER"
    ):
        DiffusionGenerator.from_folder(tmp_path / "nowhere")


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_every_sampler_gives_another_image_and_is_in_the_provenance(
    generator: DiffusionGenerator, folder: Path, sampler: str
) -> None:
    wanted = SAMPLING.model_copy(update={"sampler": sampler, "steps": 4})
    patch = DiffusionGenerator.from_folder(folder, sampling=wanted).inpaint([_request()])[0]
    assert (patch.provenance.sampler, patch.provenance.steps) == (sampler, 4)
    assert generator.inpaint([_request()])[0].provenance.sampler == "DDIMScheduler"
    assert _difference(patch.image, generator.inpaint([_request()])[0].image) > 1


def test_a_negative_prompt_changes_guided_patches_only(folder: Path, generator: DiffusionGenerator) -> None:
    wanted = SAMPLING.model_copy(update={"negative_prompt": "smoke"})
    other = DiffusionGenerator.from_folder(folder, sampling=wanted, options=OPTIONS)
    unguided = replace(_request(), guided=False)
    guided, plain = other.inpaint([_request()])[0], other.inpaint([unguided])[0]
    assert (guided.provenance.negative_prompt, plain.provenance.negative_prompt) == ("smoke", "")
    assert _difference(guided.image, generator.inpaint([_request()])[0].image) > 1
    assert _difference(plain.image, generator.inpaint([unguided])[0].image) <= 1


@pytest.mark.parametrize(
    "economy", [{"attention_slicing": "auto"}, {"attention_slicing": 1}, {"vae_tiling": True}]
)
def test_what_saves_memory_gives_the_same_patch(folder: Path, economy: dict[str, Any]) -> None:
    exact = {"precision": "float32"}
    plain, other = (
        DiffusionGenerator.from_folder(folder, sampling=SAMPLING, options=GeneratorOptions(**exact, **more))
        for more in ({}, economy)
    )
    assert _difference(other.inpaint([_request()])[0].image, plain.inpaint([_request()])[0].image) <= 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"attention_slicing": 9}, "attention_slicing is 9, but attention of generator tiny has 2 heads"),
        ({"offload": "model"}, "offload: model needs a card"),
        ({"offload": "sequential"}, "offload: sequential needs a card"),
        ({"device": "cuda:7"}, "device cuda:7 was asked for"),
        ({"precision": "float16"}, "float16"),
    ],
)
def test_options_that_the_machine_or_the_model_contradicts_are_refused_before_anything_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], sentence: str
) -> None:
    def no_load(*_: object) -> None:
        raise AssertionError("a contradiction was found after loading")

    monkeypatch.setattr(synth.torch_device, "this_machine", Machine)
    monkeypatch.setattr(synth.generation.stable_diffusion, "load_pipeline", no_load)
    with pytest.raises(ConfigurationError, match=re.escape(sentence)):
        DiffusionGenerator.from_folder(folder, options=GeneratorOptions(**wrong))


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offload_leaves_the_parts_in_memory_and_moves_them_to_the_card_when_used(offload: str) -> None:
    card = TorchDevice(torch.device("cuda", 1), torch.float16, "a card")
    recorder = Mock()
    place(recorder, card, GeneratorOptions(offload=offload))
    call = recorder.mock_calls[-1]
    assert not recorder.to.called
    assert call == getattr(mock_call, f"enable_{offload}_cpu_offload")(device=torch.device("cuda", 1))


def test_weights_are_in_half_precision_on_a_card_only() -> None:
    card = TorchDevice(torch.device("cuda", 0), torch.float16, "a card")
    assert weights_type(card) == torch.float16
    assert weights_type(TorchDevice(torch.device("cpu"), torch.bfloat16, "processor")) == torch.float32


def test_short_memory_halves_the_batch_and_gives_the_same_patches(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [_request(seed) for seed in range(5)]
    whole = DiffusionGenerator.from_folder(folder, sampling=SAMPLING)
    expected = [p.image for p in whole.inpaint(requests)]
    denoised = whole._denoised

    def short_memory(positive: torch.Tensor, *rest: Any) -> torch.Tensor:
        if len(positive) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return denoised(positive, *rest)

    monkeypatch.setattr(whole, "_denoised", short_memory)
    found = [p.image for p in whole.inpaint(requests)]
    assert whole.batch == 2
    assert "memory is too short for 5 patches at once, continuing with 2" in caplog.text
    assert all(_difference(a, b) <= 1 for a, b in zip(expected, found, strict=True))


def test_memory_too_short_for_one_patch_is_one_sentence(
    generator: DiffusionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(generator, "_denoised", no_memory)
    with pytest.raises(GeneratorUnavailable, match=r"memory is short; try a smaller batch"):
        generator.inpaint([_request()])


def test_a_model_without_sampling_of_its_own_gets_what_is_usual_for_its_size(tmp_path: Path) -> None:
    absent = tmp_path / "sampling.json"
    large = SamplingUsed.of_file(absent, patch_px=512, on_cpu=False)
    assert (large.steps, large.guidance, large.batch) == (30, 7.5, 4)
    assert SamplingUsed.of_file(absent, patch_px=512, on_cpu=True).batch == 1
    bundled = SamplingUsed.of_file(BUNDLED_FOLDER / "sampling.json", patch_px=64, on_cpu=True)
    assert (bundled.steps, bundled.guidance, bundled.batch) == (8, 3.0, 16)


@pytest.mark.parametrize("content", ['{"steps": 0}', '{"guidance": true}', '{"setps": 5}', "[]"])
def test_a_damaged_sampling_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sampling.json"
    path.write_text(content)
    with pytest.raises(GeneratorUnavailable, match=r"sampling\.json"):
        SamplingUsed.of_file(path, patch_px=512, on_cpu=True)


def test_a_negative_prompt_without_guidance_is_refused() -> None:
    with pytest.raises(ValueError, match="negative_prompt has no effect with guidance 1"):
        Sampling(guidance=1.0, negative_prompt="blurred")
    with pytest.raises(ConfigurationError, match="this model's own"):
        SamplingUsed(guidance=1.0).changed(Sampling(negative_prompt="blurred"), None)
