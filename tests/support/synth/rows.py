"""Provenance rows and run facts for tests, without a run that made them."""

import cv2
import numpy as np

from messaging.taxonomy import DEFAULT_TAXONOMY
from synth.planning.patches import Box
from synth.selection.filters import Refusal
from synth.selection.labelled_set import ImageRow, LabelledHazard, RefusedRow, RunFacts, Scores

BOX = (10.0, 20.0, 50.0, 40.0)


def jpeg() -> bytes:
    """A grey JPEG file of 100 x 80 pixels."""
    return bytes(cv2.imencode(".jpg", np.full((80, 100, 3), 90, np.uint8))[1])


def scores() -> Scores:
    """Of a hazard that two judges measured."""
    return Scores(
        strength=40.0,
        plan_iou=1.0,
        reference_score=0.812,
        reference_iou=0.7,
        rival="garbage",
        rival_score=0.1,
    )


def hazard(
    class_name: str = "pothole",
    *,
    box: Box = BOX,
    prompt: str = "a pothole",
    seed: int = 1,
    fingerprint: str = "00" * 32,
) -> LabelledHazard:
    """A hazard as it was planned."""
    return LabelledHazard(
        class_name=class_name, planned=box, tight=box, prompt=prompt, seed=seed, sampler="ddim", steps=20,
        guidance=3.0, prototype_conditioned=False, scores=scores(), fingerprint=fingerprint,
    )  # fmt: skip


def image_row(name: str = "one", *hazards: LabelledHazard, width: int = 100, height: int = 80) -> ImageRow:
    """A kept image with these hazards; without them one pothole at `BOX`."""
    return ImageRow(
        name=name, order="0" * 64, generator="fake", generator_digest="1" * 64, background="drawn:1",
        condition="night-clear", width=width, height=height, hazards=hazards or (hazard(),),
        empty_patches=(), reconstructions=(),
    )  # fmt: skip


def refused_row(
    name: str = "two/0", reason: Refusal = Refusal.DUPLICATE, *, prompt: str = "a pothole", seed: int = 1
) -> RefusedRow:
    """A refused hazard planned at `BOX`; one that the budget did not cover was never generated."""
    if reason is Refusal.OUT_OF_BUDGET:
        return RefusedRow(name=name, reason=reason, planned=BOX)
    return RefusedRow(
        name=name, reason=reason, planned=BOX, prompt=prompt, seed=seed, sampler="ddim", steps=20,
        guidance=3.0, scores=None if reason is Refusal.NO_DIFFERENCE else scores(),
    )  # fmt: skip


def facts(*, generator: str = "fake") -> RunFacts:
    """Facts of a run with drawn backgrounds and no judges."""
    return RunFacts(
        order={"order": "potholes"}, order_digest="0" * 64, class_names=DEFAULT_TAXONOMY.names,
        generator=generator, generator_digest="1" * 64, generator_licence="CC0-1.0", backgrounds="drawn",
        detector=None, reference=None,
    )  # fmt: skip
