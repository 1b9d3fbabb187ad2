"""Evaluations on the holdout, as rows of the database."""

from cloud.evaluation.evaluate import Evaluation, Tally
from cloud.store.records import EvaluationRow


def holdout_rows(campaign: str, digest: str, role: str, found: Evaluation) -> list[EvaluationRow]:
    """A model's evaluation: one row for each class and condition, and one for each class as a whole."""
    return [
        EvaluationRow(campaign, digest, role, tally.class_name, tally.condition, _metrics(tally))
        for tally in (*found.tallies, *found.of_classes())
    ]


def _metrics(tally: Tally) -> dict[str, object]:
    return {
        "images": tally.images,
        "truths": tally.truths,
        "true_positives": tally.true_positives,
        "false_positives": tally.false_positives,
        "recall": tally.recall,
        "recall_interval": list(tally.recall_interval),
        "precision": tally.precision,
        "precision_interval": list(tally.precision_interval),
        "ap50": tally.ap50,
        "ap50_interval": tally.ap50_interval and list(tally.ap50_interval),
        "ap50_95": tally.ap50_95,
        "ap50_95_interval": tally.ap50_95_interval and list(tally.ap50_95_interval),
    }
