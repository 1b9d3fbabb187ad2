"""The interval of an average precision: derived cases, coverage, images without boxes, too few images."""

from collections.abc import Sequence

import numpy as np
import pytest

from cloud.evaluation.bootstrap import (
    PERCENTILES,
    RESAMPLES,
    SEED,
    Interval,
    average_precision_intervals,
    mean_interval,
)
from cloud.evaluation.detection_metrics import Bools, average_precision
from edge.vision.detections import Floats

Images = tuple[list[Floats], list[Bools], list[int]]
NOTHING = (np.zeros(0, np.float32), np.zeros(0, np.bool_))


def simulated(images: int, rng: np.random.Generator) -> Images:
    """Street images: up to three hazards or none, some of them very hard, and false positives."""
    confidence, hits, truths = [], [], []
    for _ in range(images):
        boxes = int(rng.choice([0, 1, 2, 3], p=[0.3, 0.4, 0.2, 0.1]))
        easy = 0.9 if rng.random() < 0.7 else 0.3  # the boxes of one image are alike
        found, wrong = int(rng.binomial(boxes, easy)), int(rng.poisson(0.6))
        scores = np.concatenate([rng.beta(5, 2, found), rng.beta(2, 5, wrong)])
        confidence.append(scores.astype(np.float32))
        hits.append(np.arange(found + wrong) < found)
        truths.append(boxes)
    return confidence, hits, truths


def interval_at_one_iou(
    confidence: Sequence[Floats], hits: Sequence[Bools], truths: Sequence[int]
) -> Interval | None:
    found = average_precision_intervals(confidence, [one[:, None] for one in hits], truths)
    if found is None:
        return None
    assert found[0] == found[1], "the mean over one IoU is that at this IoU"
    return found[0]


def area(images: Images) -> float:
    confidence, hits, truths = images
    return average_precision(np.concatenate(confidence), np.concatenate(hits), sum(truths))


def test_with_one_box_an_image_and_no_false_positive_it_is_that_of_a_proportion() -> None:
    hit = (np.asarray([0.9], np.float32), np.asarray([True]))
    rows = [hit] * 60 + [NOTHING] * 40
    found = interval_at_one_iou([c for c, _ in rows], [h for _, h in rows], [1] * 100)
    assert found == pytest.approx((0.504, 0.696), abs=0.02), "60 of 100: 0.6 - and + 1.96 standard errors"


def test_it_is_that_of_the_average_precisions_of_resampled_images_one_by_one() -> None:
    confidence, hits, truths = simulated(30, np.random.default_rng(3))
    drawn = np.random.default_rng(SEED).multinomial(30, np.full(30, 1 / 30), size=RESAMPLES)
    rows = [np.repeat(np.arange(30), times) for times in drawn]
    areas = [
        area(([confidence[i] for i in row], [hits[i] for i in row], [truths[i] for i in row])) for row in rows
    ]
    expected = tuple(np.percentile(areas, PERCENTILES))
    assert interval_at_one_iou(confidence, hits, truths) == pytest.approx(expected)


def test_the_interval_of_the_mean_over_ious_is_that_of_the_means_of_the_same_resamples() -> None:
    confidence, hits, truths = simulated(30, np.random.default_rng(5))
    stricter = [one & (scores > 0.6) for one, scores in zip(hits, confidence, strict=True)]
    both = [np.stack(pair, axis=1) for pair in zip(hits, stricter, strict=True)]
    found = average_precision_intervals(confidence, both, truths)
    drawn = np.random.default_rng(SEED).multinomial(30, np.full(30, 1 / 30), size=RESAMPLES)
    means = []
    for times in drawn:
        row = np.repeat(np.arange(30), times)
        boxes = [truths[i] for i in row]
        areas = [
            area(([confidence[i] for i in row], [one[i] for i in row], boxes)) for one in (hits, stricter)
        ]
        means.append(sum(areas) / 2)
    assert found is not None
    assert found[0] == pytest.approx(interval_at_one_iou(confidence, hits, truths))
    assert found[1] == pytest.approx(tuple(np.percentile(means, PERCENTILES)))


def test_the_intervals_of_a_hundred_sets_contain_the_true_value_in_at_least_85() -> None:
    rng = np.random.default_rng(11)
    true = area(simulated(40_000, rng))
    found = [interval_at_one_iou(*simulated(120, rng)) for _ in range(100)]
    holding = sum(one is not None and one[0] <= true <= one[1] for one in found)
    assert holding >= 85
    widths = [one[1] - one[0] for one in found if one is not None]
    assert max(widths) < 0.35, "an interval of everything would hold too"


def test_false_positives_on_images_without_boxes_count() -> None:
    images = 40
    hit = (np.asarray([0.5], np.float32), np.asarray([True]))
    alarm = (np.asarray([0.9], np.float32), np.asarray([False]))

    def interval(empty: tuple[Floats, Bools]) -> Interval | None:
        rows = [hit] * images + [empty] * images
        return interval_at_one_iou([c for c, _ in rows], [h for _, h in rows], [1] * images + [0] * images)

    assert interval(NOTHING) == (1.0, 1.0)
    low, high = interval(alarm) or (0.0, 0.0)
    assert 0.3 < low < 0.5 < high < 0.7


@pytest.mark.parametrize(
    ("truths", "expected"), [((0, 0), None), ((3, 0), None), ((2,), None), ((1, 1), (0.0, 0.0))]
)
def test_fewer_than_two_images_with_true_boxes_have_none(
    truths: tuple[int, ...], expected: Interval | None
) -> None:
    confidence, hits = zip(*[NOTHING] * len(truths), strict=True)
    assert interval_at_one_iou(confidence, hits, truths) == expected


def test_a_mean_of_independent_values_is_surer_than_each() -> None:
    assert mean_interval([0.6], [(0.5, 0.8)], [7]) == pytest.approx((0.5, 0.8))
    low, high = mean_interval([0.6, 0.6], [(0.5, 0.7), (0.5, 0.7)], [4, 4])
    assert (0.6 - low, high - 0.6) == pytest.approx((0.1 / 2**0.5, 0.1 / 2**0.5))
    assert mean_interval([0.0, 1.0], [(0.0, 0.0), (1.0, 1.0)], [1, 3]) == (0.75, 0.75)
