"""Epochs mix real and synthetic images by the recipe, and a seed repeats their order."""

from dataclasses import replace

import numpy as np
import pytest

from cloud.training.mix import Mix


def _mix(real: int, synthetic: int, **changes: int) -> Mix:
    return replace(
        Mix(real, synthetic, fraction=0.5, epochs=2, real_only_epochs=0, seed=0),
        **changes,  # type: ignore[arg-type]  # the test names the fields
    )


@pytest.mark.parametrize(
    ("real", "synthetic", "steps", "per_batch"),
    [(64, 0, 4, 0), (60, 4, 4, 1), (48, 16, 4, 4), (16, 16, 2, 8), (16, 80, 10, 8), (1, 0, 1, 0)],
    ids=["real only", "a few", "a quarter", "as many", "more synthetic than real", "one image"],
)
def test_at_most_half_of_a_batch_is_synthetic_and_every_image_is_used(
    real: int, synthetic: int, steps: int, per_batch: int
) -> None:
    order = _mix(real, synthetic).order(0, 16)
    assert order.shape == (steps, 16)
    assert _mix(real, synthetic).steps(0, 16) == steps
    assert {int((batch >= real).sum()) for batch in order} == {per_batch}
    assert set(order.ravel()) == set(range(real + synthetic))


@pytest.mark.parametrize(("epochs", "real_only", "mixed"), [(5, 1, 4), (5, 2, 3), (2, 0, 2), (1, 0, 1)])
def test_the_last_epochs_use_real_images_only(epochs: int, real_only: int, mixed: int) -> None:
    mix = _mix(20, 20, epochs=epochs, real_only_epochs=real_only)
    used = [bool((mix.order(epoch, 8) >= 20).any()) for epoch in range(epochs)]
    assert used == [True] * mixed + [False] * (epochs - mixed)


@pytest.mark.parametrize(("real", "synthetic"), [(30, 10), (3, 0), (0, 5)])
def test_stated_steps_repeat_or_leave_out_images(real: int, synthetic: int) -> None:
    mix = replace(_mix(max(real, 1), synthetic), stated_steps=(5, 1))
    orders = [mix.order(epoch, 8) for epoch in range(2)]
    assert [order.shape for order in orders] == [(5, 8), (1, 8)]
    assert [mix.steps(epoch, 8) for epoch in range(2)] == [5, 1]
    used = np.bincount(orders[0].ravel()[orders[0].ravel() < mix.real])
    assert used.max() - used.min() <= 1, "no image is used twice more often than another one"


def test_a_batch_of_one_holds_a_real_image() -> None:
    assert set(_mix(3, 3).order(0, 1).ravel()) == {0, 1, 2}


def test_a_seed_repeats_the_order_of_each_epoch_and_epochs_differ() -> None:
    first = [_mix(30, 10).order(epoch, 8) for epoch in (0, 1)]
    again = [_mix(30, 10).order(epoch, 8) for epoch in (0, 1)]
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[0] != first[1]).any()
    assert (first[0] != _mix(30, 10, seed=1).order(0, 8)).any()
    assert first[0].dtype == np.int64
