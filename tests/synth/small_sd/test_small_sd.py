"""The training of the bundled model, on a handful of made-up crops and tiny networks."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from messaging.errors import ConfigurationError
from messaging.taxonomy import Condition, Light, SizeBin, Weather
from synth.errors import SynthesisError
from synth.generation.stable_diffusion import DiffusionGenerator
from synth.planning.patches import inpainting_mask
from synth.planning.prompts import VOCABULARY, Medium
from synth.small_sd.autoencoder import as_tensor
from synth.small_sd.crops import NO_CLASS, Crop, CropSet, alone, crops_of_pair, size_bin, stack
from synth.small_sd.denoiser import EMPTY_SHARE, Samples, encode
from synth.small_sd.frames import read_frames
from synth.small_sd.models import Sizes, autoencoder, tokenizer
from synth.small_sd.photographs import crops_of_photograph, read_photographs
from synth.small_sd.projection import fit_projection, read_projection, write_encoder
from synth.small_sd.run import Plan, train
from synth.small_sd.schedule import Budget, Schedule
from synth.street.values import DrawnBox, DrawnFrame

NIGHT_RAIN = Condition(Light.NIGHT, Weather.RAIN)
TINY = Sizes(
    vae_channels=(24, 28, 32), vae_groups=4, unet_channels=(16, 16, 16), unet_groups=4, heads=2,
    text_width=16, text_layers=1,
)  # fmt: skip


def _crop(index: int, *, medium: Medium = Medium.PHOTO, name: str = "fire") -> Crop:
    rng = np.random.default_rng(index)
    empty = cv2.GaussianBlur(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), (0, 0), 3)
    mask = inpainting_mask((16, 16, 48, 40), 64)
    hazard = np.where(mask[..., None], np.uint8(rng.integers(255)), empty).astype(np.uint8)
    vector = rng.standard_normal(64).astype(np.float32)
    vector /= np.linalg.norm(vector)
    return Crop(hazard, empty, True, mask, name, NIGHT_RAIN, SizeBin.SMALL, medium, vector)


@pytest.fixture(scope="module")
def crops() -> CropSet:
    names = ("fire", "smoke", "pothole")
    drawn = [_crop(i, name=names[i % 3]) for i in range(24)]
    return stack([*drawn, *(_crop(i, medium=Medium.PHOTOGRAPH, name=NO_CLASS) for i in range(24, 30))])


def test_the_encoder_written_as_weights_computes_the_projection(crops: CropSet) -> None:
    images = as_tensor(torch.from_numpy(crops.hazard))
    projection = fit_projection(images)
    vae = autoencoder(Sizes())
    write_encoder(vae, projection)
    assert torch.equal(read_projection(vae).weight, projection.weight)
    with torch.no_grad():
        latent = vae.encode(images[:4]).latent_dist
    assert torch.allclose(latent.mean, projection.encode(images[:4]), atol=0.05)
    assert float(latent.std.max()) < 0.02


def test_latents_have_about_unit_variance(crops: CropSet) -> None:
    images = as_tensor(torch.from_numpy(crops.hazard))
    spread = fit_projection(images).encode(images).std(dim=(0, 2, 3))
    assert spread.min() > 0.8
    assert spread.max() < 1.2


def test_the_encoder_distinguishes_all_colours(crops: CropSet) -> None:
    """Colours of equal brightness: a pair that one axis does not part, another one does."""
    projection = fit_projection(as_tensor(torch.from_numpy(crops.hazard)))
    colours = torch.tensor([[0.4, -0.2, -0.2], [-0.2, 0.4, -0.2], [-0.2, -0.2, 0.4], [0.2, -0.4, 0.2]])
    seen = projection.encode(colours[:, :, None, None].expand(-1, -1, 4, 4))[:, :, 0, 0]
    apart = torch.cdist(seen, seen) + torch.eye(len(seen)) * 9
    assert apart.min() > 0.5


def test_every_word_of_the_vocabulary_is_one_token() -> None:
    tokens = tokenizer(TINY)
    assert all(len(tokens.tokenize(word)) == 1 for word in VOCABULARY)
    assert len(tokens.tokenize("landslide")) > 1


def test_a_set_survives_the_disk(crops: CropSet, tmp_path: Path) -> None:
    crops.save(tmp_path / "crops.npz")
    again = CropSet.load(tmp_path / "crops.npz")
    assert np.array_equal(again.hazard, crops.hazard)
    assert np.array_equal(again.class_name, crops.class_name)
    assert len(CropSet.join([again, crops])) == 2 * len(crops)


def test_a_training_target_has_the_hazard_inside_the_mask_only() -> None:
    empty = np.full((64, 64, 3), 40, np.uint8)
    seen, mask = empty.copy(), inpainting_mask((20, 20, 44, 44), 64)
    seen[22:42, 22:42] = 200
    seen[:4] = 90
    found = alone(seen, empty, mask, luminous=False)
    assert found is not None
    assert np.array_equal(found[~mask], empty[~mask])
    assert (found[30, 30] == 200).all()


def test_a_hazard_in_the_light_of_another_is_left_out() -> None:
    empty = np.full((64, 64, 3), 40, np.uint8)
    assert alone(empty + np.uint8(20), empty, inpainting_mask((20, 20, 44, 44), 64), luminous=False) is None


def test_a_fires_glow_fades_before_the_border_of_the_mask() -> None:
    empty = np.full((64, 64, 3), 20, np.uint8)
    glowing, mask = empty + np.uint8(40), inpainting_mask((16, 16, 48, 48), 64)
    glowing[28:40, 28:40] = 240
    found = alone(glowing, empty, mask, luminous=True)
    assert found is not None
    border = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    assert np.abs(found[border].astype(int) - 20).max() <= 5
    assert found[34, 34].min() > 200


def test_crops_of_a_pair_leave_tiny_hazards_out() -> None:
    image = np.zeros((360, 640, 3), np.uint8)
    boxes = tuple(
        DrawnBox("pothole", box, i)
        for i, box in enumerate([(100.0, 200.0, 160.0, 220.0), (300.0, 100.0, 304.0, 103.0)])
    )
    frame = DrawnFrame(image, boxes, NIGHT_RAIN, 0, 0.0)
    found = crops_of_pair(
        frame, DrawnFrame(image, (), NIGHT_RAIN, 0, 0.0), np.zeros((2, 64), np.float32),
        np.random.default_rng(0),
    )  # fmt: skip
    assert [(c.class_name, c.size, c.condition) for c in found] == [("pothole", SizeBin.SMALL, NIGHT_RAIN)]


@pytest.mark.parametrize(
    ("longer", "name"),
    [(20, SizeBin.TINY), (30, SizeBin.SMALL), (100, SizeBin.MEDIUM), (300, SizeBin.LARGE)],
)
def test_size_bins_follow_the_taxonomy(longer: float, name: SizeBin) -> None:
    assert size_bin((0, 0, longer, 5), 640, 360) is name


def test_a_third_of_the_samples_is_an_empty_street_and_media_are_mixed(crops: CropSet) -> None:
    latents = encode(fit_projection(as_tensor(torch.from_numpy(crops.hazard))), crops)
    samples = Samples(crops, latents, tokenizer(TINY), np.random.default_rng(0))
    batch = next(samples.batches(512))
    empty = (batch.target[:, None] - latents.empty.float()).abs().amax(dim=(2, 3, 4)).min(dim=1).values < 1e-6
    assert batch.target.shape == (512, 4, 16, 16)
    assert EMPTY_SHARE < float(empty.float().mean()) < EMPTY_SHARE + 0.2
    assert not bool((batch.known & empty).any())
    assert 0.3 < float(batch.known.float().mean()) < 0.55
    assert torch.allclose(batch.vectors.norm(dim=1), torch.ones(512), atol=1e-4)


def test_only_photographs_of_certain_licence_are_read(tmp_path: Path) -> None:
    (tmp_path / "images" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train").mkdir(parents=True)
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    for name in ("dnit_1", "intel_1", "cctvfire_1", "trash_1"):
        cv2.imwrite(str(tmp_path / "images" / "train" / f"{name}.jpg"), image)
    (tmp_path / "labels" / "train" / "dnit_1.txt").write_text("2 0.5 0.5 0.25 0.25\n")
    found = list(read_photographs(tmp_path))
    assert [[name for name, _ in p.boxes] for p in found] == [["pothole"], []]
    rng = np.random.default_rng(0)
    pothole = crops_of_photograph(found[0], np.zeros((1, 64), np.float32), rng, per_box=2)
    street = crops_of_photograph(found[1], np.zeros((0, 64), np.float32), rng, per_box=2)
    assert [c.has_empty for c in pothole] == [False, False]
    assert {(c.class_name, c.has_empty, c.medium) for c in street} == {(NO_CLASS, True, Medium.PHOTOGRAPH)}


def test_a_folder_without_such_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no images/train"):
        list(read_photographs(tmp_path))


def test_a_damaged_drawn_pair_is_named(tmp_path: Path) -> None:
    (tmp_path / "0000001.json").write_text(json.dumps({"condition": "night-rain", "boxes": []}))
    with pytest.raises(SynthesisError, match=r"0000001.json is damaged"):
        list(read_frames(tmp_path))


def test_a_budget_ends_by_steps_or_by_minutes_whichever_comes_first() -> None:
    now = [0.0]
    schedule = Schedule(Budget(steps=100, minutes=1.0), 1e-3, lambda: now[0], spent_s=30.0)
    assert schedule.progress(20) == 0.5
    assert schedule.progress(70) == 0.7
    now[0] = 60.0
    assert schedule.progress(70) > 1.0
    assert Schedule(Budget(steps=10), 1e-3, lambda: 0.0).rate(0) < 1e-4
    with pytest.raises(ConfigurationError, match="needs steps >= 1 or minutes > 0"):
        Budget()


def test_a_training_writes_a_pipeline_and_continues_where_it_stopped(crops: CropSet, tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    crops.save(work / "crops.npz")
    (work / "prototype_space.json").write_text(json.dumps({"embedding_digest": "b" * 64}))
    out.mkdir()
    (out / "README.md").write_text("---\nlicense: agpl-3.0-or-later\n---\n")
    for steps in (2, 4):
        train(
            Plan(work=work, out=out, frames=0, vae=Budget(2), unet=Budget(steps), batch=4, sizes=TINY),
            clock=lambda: 0.0,
        )
        state = torch.load(work / "unet.pt", weights_only=True)
        assert state["steps"] == steps
    generator = DiffusionGenerator.from_folder(out)
    assert (generator.patch_px, generator.prototype_space) == (64, "b" * 64)
    assert generator.card.licence == "agpl-3.0-or-later"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "work"]
