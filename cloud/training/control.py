"""The plan of a control model: a training again, without some of its generated images.

The difference between a model and its control is what those images contribute. Both take the same number of
optimiser steps with batches of the same size: fewer images would mean fewer steps, so that the other images
are repeated instead.
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from cloud.training.plan import TrainedWeights, TrainingPlan


def control_plan(plan: TrainingPlan, trained: TrainedWeights, generated: Collection[Path]) -> TrainingPlan:
    """The plan of the control of a finished training, without the folders `generated` of its plan."""
    return replace(
        plan,
        name=f"{plan.name}-control",
        synthetic=tuple(folder for folder in plan.synthetic if folder not in generated),
        recipe=replace(plan.recipe, batch=trained.batch, steps=trained.steps),
    )
