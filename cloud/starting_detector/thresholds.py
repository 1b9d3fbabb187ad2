"""Thresholds of a detector that must be right on drawn scenes and on photographs.

A detector is more confident on drawn scenes, which are a third of its training images and look alike, so that
thresholds chosen on them alone would hide what it finds in photographs. Images are those kept for this; never
those of an evaluation.
"""

from collections.abc import Sequence

import numpy as np

from cloud.data.labelled_images import LabelledImage
from cloud.training.calibration import (
    FEWEST_TRUTHS,
    LOWEST,
    PRECISION_FLOOR,
    Ranking,
    best_threshold,
    lowest_threshold,
    rankings,
)
from edge.vision.detector import Detector

PHOTOGRAPH_PRECISION = 0.4
MOST_FALSE_PER_PHOTOGRAPH = 0.02


def thresholds_for_both(
    detector: Detector, drawn: Sequence[LabelledImage], photographs: Sequence[LabelledImage]
) -> dict[str, float]:
    """The threshold of each class that is best on photographs and precise on drawn scenes.

    It has the best F1 on photographs among those with a precision of at least 0.4 there, low because their
    labels miss some hazards. For a class of which fewer than five boxes are found in them, it is the lowest
    with at most two false reports a hundred. It is raised until precision on drawn scenes is at least 0.8.
    """
    on_drawn, on_photographs = rankings([detector], drawn)[0], rankings([detector], photographs)[0]
    return {
        name: max(
            lowest_threshold(on_drawn[name], PRECISION_FLOOR),
            _for_photographs(on_photographs[name], len(photographs)),
        )
        for name in detector.description.class_names
    }


def _for_photographs(ranking: Ranking, images: int) -> float:
    best = best_threshold(ranking, PHOTOGRAPH_PRECISION)
    reported = ranking.reported(best)
    if reported and ranking.caught[reported - 1] >= FEWEST_TRUTHS:
        return best
    false = np.arange(1, len(ranking.confidence) + 1) - ranking.caught
    allowed = np.flatnonzero(false <= MOST_FALSE_PER_PHOTOGRAPH * images)
    return ranking.between(int(allowed[-1])) if len(allowed) else LOWEST
