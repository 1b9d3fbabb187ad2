"""Provenance rows and run facts for tests, without a run that made them."""

import cv2
import numpy as np

from messaging.taxonomy import DEFAULT_TAXONOMY
from synth.selection.filters import Refusal
from synth.selection.labelled_set import ImageRow, LabelledHazard, RefusedRow, RunFacts, Scores

BOX = (10.0, 20.0, 50.0, 40.0)


def jpeg() -> bytes:
    """A grey JPEG file of 100 x 80 pixels."""
    return bytes(cv2.imencode(".jpg", np.full((80, 100, 3), 90, np.uint8))[1])


def image_row(name: str = "one") -> ImageRow:
    """A kept image of 100 x 80 pixels with one pothole at `BOX`."""
    hazard = LabelledHazard(
        class_name="pothole", planned=BOX, tight=BOX, prompt="a pothole", seed=1, steps=20, guidance=3.0,
        prototype_conditioned=False, scores=Scores(strength=40.0, plan_iou=1.0), fingerprint="00" * 32,
    )  # fmt: skip
    return ImageRow(
        name=name, order="0" * 64, generator="fake", generator_digest="1" * 64, background="drawn:1",
        condition="night-clear", width=100, height=80, hazards=(hazard,), empty_patches=(),
        reconstructions=(),
    )  # fmt: skip


def refused_row(name: str = "two/0", reason: Refusal = Refusal.DUPLICATE) -> RefusedRow:
    """A refused hazard planned at `BOX`."""
    return RefusedRow(name=name, reason=reason, planned=BOX)


def facts(*, generator: str = "fake") -> RunFacts:
    """Facts of a run with drawn backgrounds and no judges."""
    return RunFacts(
        order={"order": "potholes"}, order_digest="0" * 64, class_names=DEFAULT_TAXONOMY.names,
        generator=generator, generator_digest="1" * 64, generator_licence="CC0-1.0", backgrounds="drawn",
        detector=None, reference=None,
    )  # fmt: skip
