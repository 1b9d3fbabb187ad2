"""The loss of each epoch is a curve and a sentence."""

from dashboards.components.loss_curve import loss_options, losses, sentence
from dashboards.theme import LIGHT
from tests.dashboards.learning.resources import campaign


def test_the_losses_are_those_of_the_finished_epochs_also_while_the_training_runs() -> None:
    ended = campaign(stages=({"stage": "train", "state": "done", "metrics": {"losses": [1.5, 1.25, None]}},))
    assert losses(ended) == (1.5, 1.25)
    runs = campaign(stages=({"stage": "train", "state": "running", "metrics": {"losses": [1.5]}},))
    assert losses(runs) == (1.5,)
    assert losses(campaign()) == ()


def test_the_curve_has_a_point_for_each_epoch() -> None:
    options = loss_options((1.5, 1.25, 1.3), LIGHT)
    assert options["xAxis"]["data"] == ["1", "2", "3"]
    assert options["series"][0]["data"] == [1.5, 1.25, 1.3]
    assert sentence((1.5, 1.25, 1.3)) == (
        "3 epochs: 1.500 in the first, 1.300 in the last, the lowest 1.250 in epoch 2."
    )
    assert sentence((1.5,)) == "1 epoch: 1.500."
