"""Letterboxing, decoding and pooling: the same numbers at the edge and in the cloud."""

import numpy as np
import pytest
import torch
from torchvision.ops import roi_align as torch_roi_align

from edge.vision.detector import GREY, decode, letterbox, letterboxed, roi_align
from tests.support.edge.tiny_bundles import tiny_description

BUNDLE = tiny_description()


@pytest.mark.parametrize(
    ("height", "width"), [(64, 64), (36, 64), (480, 640), (100, 30), (1080, 1920), (33, 47)]
)
def test_a_box_comes_back_from_the_input_to_where_it_was(height: int, width: int) -> None:
    _, fit = letterbox(np.zeros((height, width, 3), np.uint8), 320, 320)
    boxes = np.asarray([[1, 2, width - 3, height - 4]], np.float32)
    np.testing.assert_allclose(fit.to_image(fit.to_input(boxes)), boxes, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2000), (2000, 1), (1, 100_000), (100_000, 1)])
def test_a_strip_of_one_pixel_is_fitted_into_the_input(height: int, width: int) -> None:
    blob, fit = letterbox(np.full((height, width, 3), 200, np.uint8), 640, 384)
    assert blob.shape == (3, 384, 640)
    whole = np.asarray([[0, 0, width, height]], np.float32)
    np.testing.assert_allclose(fit.to_image(fit.to_input(whole)), whole, rtol=1e-2)


def test_the_input_is_rgb_between_0_and_1_with_grey_borders() -> None:
    image = np.zeros((32, 64, 3), np.uint8)
    image[..., 0] = 255
    blob, fit = letterbox(image, 64, 64)
    assert blob.shape == (3, 64, 64)
    assert blob.dtype == np.float32
    assert blob[:, 32, 32].tolist() == [0.0, 0.0, 1.0]
    assert blob[:, 2, 2] == pytest.approx(GREY / 255)
    assert (fit.shift_x, fit.shift_y, fit.scale_x, fit.scale_y) == (0, 16, 1.0, 1.0)


@pytest.mark.parametrize(("height", "width"), [(36, 64), (64, 36), (64, 64), (7, 5), (1, 90)])
def test_the_input_is_the_letterboxed_image_wherever_it_is_written(height: int, width: int) -> None:
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    canvas, same_fit = letterboxed(image, 64, 32)
    batch = np.full((2, 3, 32, 64), np.nan, np.float32)
    blob, fit = letterbox(image, 64, 32, out=batch[1])
    np.testing.assert_array_equal(batch[1], canvas[:, :, ::-1].transpose(2, 0, 1) / np.float32(255))
    assert blob.base is batch
    assert np.isnan(batch[0]).all()
    assert fit == same_fit


def test_each_axis_has_the_scale_to_which_its_side_was_rounded() -> None:
    """558 x 640 pixels become 384 x 440: the width is 0.1 % narrower than the height's scale makes it."""
    _, fit = letterbox(np.zeros((558, 640, 3), np.uint8), 640, 384)
    assert (fit.scale_x, fit.scale_y) == pytest.approx((440 / 640, 384 / 558))
    assert fit.to_image(np.asarray([[100, 0, 540, 384]], np.float32)).tolist() == [[0, 0, 640, 558]]


def test_boxes_are_clipped_to_the_image() -> None:
    _, fit = letterbox(np.zeros((32, 64, 3), np.uint8), 64, 64)
    assert fit.to_image(np.asarray([[-5, -5, 80, 80]], np.float32)).tolist() == [[0, 0, 64, 32]]


def _raw(*rows: tuple[float, float, float, float, float, float]) -> np.ndarray:
    return np.asarray(rows, np.float32).T


def test_decoding_keeps_what_passes_the_threshold_of_its_own_class() -> None:
    _, fit = letterbox(np.zeros((64, 64, 3), np.uint8), 64, 64)
    bundle = tiny_description(thresholds={"fire": 0.5, "smoke": 0.2})
    raw = _raw((20, 20, 8, 8, 0.4, 0.0), (40, 40, 8, 8, 0.1, 0.3), (50, 50, 8, 8, 0.9, 0.6))
    seen = decode(raw, fit, bundle, None)
    assert seen.class_id.tolist() == [0, 1]
    assert seen.xyxy.tolist() == [[46, 46, 54, 54], [36, 36, 44, 44]]
    assert seen.runner_up.tolist() == pytest.approx([0.6, 0.1])
    assert len(decode(raw, fit, bundle, 0.05)) == 3


def test_decoding_drops_boxes_outside_the_image() -> None:
    _, fit = letterbox(np.zeros((32, 64, 3), np.uint8), 64, 64)
    assert len(decode(_raw((30, 4, 8, 8, 0.9, 0.0)), fit, BUNDLE, None)) == 0


def test_boxes_over_the_border_are_compared_as_a_whole() -> None:
    """Clipped first, the two would be the same box; whole, they overlap by half."""
    _, fit = letterbox(np.zeros((64, 64, 3), np.uint8), 64, 64)
    raw = _raw((0, 32, 40, 20, 0.9, 0.0), (10, 32, 20, 20, 0.8, 0.0))
    assert decode(raw, fit, BUNDLE, None).xyxy.tolist() == [[0, 22, 20, 42], [0, 22, 20, 42]]


def test_decoding_nothing_gives_nothing() -> None:
    _, fit = letterbox(np.zeros((64, 64, 3), np.uint8), 64, 64)
    assert len(decode(_raw((20, 20, 8, 8, 0.1, 0.1)), fit, BUNDLE, None)) == 0


def test_pooling_agrees_with_the_reference_roi_align_inside_the_map() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((5, 20, 20)).astype(np.float32)
    corners = rng.uniform(20, 200, (12, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 90, (12, 2))], axis=1).astype(np.float32)
    rows = np.concatenate([np.zeros((12, 1), np.float32), boxes], axis=1)
    reference = torch_roi_align(
        torch.from_numpy(features[None]), torch.from_numpy(rows), 3, 1 / 16, sampling_ratio=2, aligned=True
    )
    np.testing.assert_allclose(roi_align(features, boxes, 16), reference.mean(dim=(2, 3)).numpy(), atol=1e-5)


def test_a_box_over_the_border_pools_the_border() -> None:
    features = np.ones((2, 4, 4), np.float32)
    pooled = roi_align(features, np.asarray([[-50, -50, 500, 500]], np.float32), 16)
    assert pooled.tolist() == [[1.0, 1.0]]


def test_no_boxes_pool_to_no_rows() -> None:
    assert roi_align(np.ones((3, 4, 4), np.float32), np.zeros((0, 4), np.float32), 16).shape == (0, 3)
