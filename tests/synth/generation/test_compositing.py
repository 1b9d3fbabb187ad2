import numpy as np

from synth.generation.compositing import Pasting, apply_camera, camera_for, cut, paste
from synth.generation.difference import feathered
from synth.planning.backgrounds import Background
from synth.planning.layout import Ground
from synth.planning.patches import PatchWindow, inpainting_mask
from synth.planning.prompts import Medium
from synth.sensor import SensorModel, estimate

WINDOW = PatchWindow(80, 40, 128)
MASK = inpainting_mask((16.0, 16.0, 48.0, 48.0), 64)


def background(*, from_camera: bool = False, noise: float = 4.0) -> Background:
    rng = np.random.default_rng(5)
    image = np.full((240, 320, 3), 90, np.uint8)
    image[:, ::20] = 130
    sensor = SensorModel(0.4, noise, 95)
    if from_camera:
        image = sensor.apply(image, rng)
    return Background(image, "test", sensor, from_camera, Ground(), Medium.PHOTO)


def pasting(level: int) -> Pasting:
    return Pasting(WINDOW, np.full((64, 64, 3), level, np.uint8), feathered(MASK, MASK))


def test_a_patch_is_pasted_where_it_was_cut_and_nowhere_else() -> None:
    scene = background()
    image = paste(scene, [pasting(250)], np.random.default_rng(0))
    assert image[100:108, 140:148].min() > 240
    outside = np.ones(image.shape[:2], np.bool_)
    outside[40:168, 80:208] = False
    assert np.array_equal(image[outside], scene.image[outside])
    assert np.array_equal(image[40:60, 80:208], scene.image[40:60, 80:208])


def test_the_seam_is_feathered() -> None:
    row = paste(background(), [pasting(250)], np.random.default_rng(0))[104, 80:208, 0].astype(int)
    assert np.abs(np.diff(row)).max() < 60


def test_an_untouched_patch_comes_back_as_it_was() -> None:
    scene = background()
    same = Pasting(WINDOW, cut(scene, WINDOW, 128), np.ones((128, 128), np.float32))
    assert np.abs(paste(scene, [same], np.random.default_rng(0)).astype(int) - scene.image).max() <= 1


def test_after_the_camera_model_a_patch_is_as_noisy_as_the_rest_of_the_image() -> None:
    for made in (background(), background(from_camera=True)):
        smooth = np.full((240, 320, 3), 90, np.uint8)
        image = made.sensor.apply(smooth, np.random.default_rng(9)) if made.from_camera else smooth
        scene = Background(image, "flat", made.sensor, made.from_camera, made.ground, made.medium)
        rng = np.random.default_rng(0)
        image = apply_camera(paste(scene, [pasting(90)], rng), scene, rng)
        inside = estimate(np.ascontiguousarray(image[80:130, 120:170])).noise_sigma
        elsewhere = estimate(np.ascontiguousarray(image[180:236, 220:310])).noise_sigma
        assert 0.75 < inside / elsewhere < 1.33


def test_the_camera_model_varies_per_image_and_always_leaves_noise() -> None:
    cameras = {camera_for(background(noise=0.0), np.random.default_rng(k)) for k in range(5)}
    assert len(cameras) == 5
    assert all(camera.noise_sigma >= 1.6 for camera in cameras)
