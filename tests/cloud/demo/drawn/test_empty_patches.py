"""Hazard-free images with empty inpainted patches: what is counted, and which models pass."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.demo.drawn.empty_patches import FalseAlarmCount, count_alarms, pairs
from cloud.demo.result import DemoResult, FalseAlarms, Images, Measured, figures_of
from cloud.errors import DemoFailed
from messaging.taxonomy import Condition
from synth.planning.backgrounds import DrawnBackgrounds, FolderBackgrounds
from synth.planning.patches import Image
from synth.street import WorldName
from tests.support.synth.fakes import COLOURS, FakeDetector, FakeGenerator

NIGHT, DAY = Condition.parse("night-rain"), Condition.parse("day-clear")
STREETS = DrawnBackgrounds(WorldName.HOLDOUT)
FIGURE = "false_alarms_on_empty_patches_per_100"


class MarkingGenerator(FakeGenerator):
    """A generator that leaves a colour of its own in every empty patch."""

    def reconstruct(self, patches: Sequence[Image]) -> list[Image]:
        return [np.full_like(patch, COLOURS["smoke"]) for patch in patches]


def test_images_of_a_pair_differ_by_their_patches_alone() -> None:
    for pair in pairs(MarkingGenerator(), STREETS, (NIGHT, DAY), 2):
        changed = np.abs(pair.plain.astype(int) - pair.patched.astype(int)).max(axis=2) > 3
        assert 0.001 < changed.mean() < 0.3


def test_every_second_image_has_an_empty_inpainted_patch_and_no_prompt_names_a_hazard() -> None:
    generator = FakeGenerator()
    requested = []
    inpaint = generator.inpaint
    generator.inpaint = lambda requests: (requested.extend(requests), inpaint(requests))[1]  # type: ignore[method-assign]
    assert len(list(pairs(generator, STREETS, (NIGHT,), 4))) == 4
    assert len(requested) == 2
    assert all("empty" in request.prompt and not request.guided for request in requested)


def test_equal_arguments_give_equal_images() -> None:
    first, again = (list(pairs(FakeGenerator(), STREETS, (NIGHT,), 1)) for _ in range(2))
    assert all(np.array_equal(a.patched, b.patched) for a, b in zip(first, again, strict=True))


def test_detections_on_patches_are_counted() -> None:
    blind, learnt_patches = FakeDetector(sees=()), FakeDetector(sees=("smoke",))
    found = pairs(MarkingGenerator(), STREETS, (NIGHT, DAY), 2)
    alarms = count_alarms(found, blind, learnt_patches, drawn=True)
    assert alarms.images == 2
    assert (alarms.base_plain, alarms.base_patched, alarms.promoted_plain) == (0, 0, 0)
    assert alarms.promoted_patched >= 4


def test_photographs_replace_drawn_streets(tmp_path: Path) -> None:
    grey = np.full((300, 500, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "road.png"), grey)
    alarms = count_alarms(
        pairs(MarkingGenerator(), FolderBackgrounds(tmp_path), (Condition(),), 2),
        FakeDetector(sees=()),
        FakeDetector(sees=("smoke",)),
        drawn=False,
    )
    assert alarms.promoted_patched > alarms.promoted_plain == 0
    assert "photographs" in alarms.note


@pytest.mark.parametrize(
    ("counts", "target", "holds"),
    [
        ((4, 6, 0, 7), "<= 7.00", True),
        ((4, 6, 0, 8), "<= 7.00", False),
        ((6, 4, 0, 6), "<= 5.00", False),  # alarms of the base that patches cover excuse nothing
        ((0, 0, 0, 1), "<= 1.00", True),
    ],
)
def test_the_promoted_model_may_exceed_the_base_by_one_per_hundred(
    counts: tuple[int, int, int, int], target: str, holds: bool
) -> None:
    alarms = FalseAlarms(100, True, *counts)
    measured = replace(Measured(1.0, None, None, None, None), false_alarms=alarms)
    result = DemoResult((), (), Images(0, 0, {}), {}, measured)
    figure = next(f for f in figures_of(result) if f.name == FIGURE)
    assert (figure.target, figure.holds, figure.n) == (target, holds, 100)


def test_a_failed_count_raises_with_its_reason(tmp_path: Path) -> None:
    absent = tmp_path / "absent.onnx"
    count = FalseAlarmCount(absent, absent, tmp_path / "out.json", images=1, photographs=None)
    with pytest.raises(DemoFailed, match=r"were not counted: detector bundle \S*absent\.onnx cannot be read"):
        count.result(lambda: time.sleep(0.05))
