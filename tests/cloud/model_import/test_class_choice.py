"""Which outputs of an imported network become classes of the deployment, and which maps are refused."""

from collections.abc import Mapping

import numpy as np
import pytest

from cloud.errors import WeightsRefused
from cloud.model_import.class_choice import choose_classes

CLASSES = ("fire", "smoke", "fallen_person", "stopped_vehicle")


@pytest.mark.parametrize(
    ("why", "names", "class_map", "chosen", "outputs", "left_out"),
    [
        ("the same names", ("fire", "smoke"), {}, ("fire", "smoke"), (0, 1), ()),
        ("the deployment's order", ("smoke", "dog", "fire"), {}, ("fire", "smoke"), (2, 0), ("dog",)),
        ("a renamed one", ("dog", "Feuer"), {"Feuer": "fire"}, ("fire",), (1,), ("dog",)),
        ("a dropped one", ("fire", "smoke"), {"smoke": None}, ("fire",), (0,), ("smoke",)),
        (
            "two names exchanged",
            ("fire", "smoke"),
            {"fire": "smoke", "smoke": "fire"},
            ("fire", "smoke"),
            (1, 0),
            (),
        ),
    ],
)
def test_a_class_keeps_its_output(
    why: str,
    names: tuple[str, ...],
    class_map: Mapping[str, str | None],
    chosen: tuple[str, ...],
    outputs: tuple[int, ...],
    left_out: tuple[str, ...],
) -> None:
    choice = choose_classes(names, class_map, CLASSES, "best.pt")
    assert (choice.class_names, choice.outputs, choice.left_out) == (chosen, outputs, left_out)


@pytest.mark.parametrize(
    ("names", "class_map", "sentence"),
    [
        (("person", "car"), {}, "none of the classes of best.pt (person, car) is a class of this deployment"),
        (("fire", "person"), {"persom": "smoke"}, "has no class 'persom' to map (did you mean 'person'?)"),
        (("fire", "car"), {"car": "vehicle"}, "'car' of best.pt is mapped to 'vehicle', but this deployment"),
        (
            ("car", "bus"),
            {"car": "stopped_vehicle", "bus": "stopped_vehicle"},
            "'car' and 'bus' of best.pt both become 'stopped_vehicle'; a class is one output",
        ),
        (("fire", "flame"), {"flame": "fire"}, "'fire' and 'flame' of best.pt both become 'fire'"),
        (("fire", "Smoke"), {}, "has the class 'Smoke', which is nearly 'smoke'; write `Smoke: smoke`"),
        (("fire",), {"fire": None}, "none of the classes of best.pt"),
    ],
)
def test_a_map_that_cannot_be_is_one_sentence(
    names: tuple[str, ...], class_map: Mapping[str, str | None], sentence: str
) -> None:
    with pytest.raises(WeightsRefused) as refused:
        choose_classes(names, class_map, CLASSES, "best.pt")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_only_the_last_layers_of_the_class_branches_change() -> None:
    tensors = {
        name: np.arange(12, dtype=np.float32).reshape(3, 4)
        for name in (
            "model.22.cv3.0.2.weight", "model.22.cv3.2.2.bias", "model.22.one2one_cv3.1.2.weight",
            "model.22.cv3.0.1.conv.weight", "model.22.cv2.0.2.weight", "model.4.cv2.conv.weight",
        )
    }  # fmt: skip
    changed = choose_classes(("smoke", "dog", "fire"), {}, CLASSES, "best.pt").applied_to(tensors)
    rows = {name: value[:, 0].tolist() for name, value in changed.items()}
    assert [name for name, row in rows.items() if row == [8, 0]] == list(tensors)[:3]
    assert [name for name, row in rows.items() if row == [0, 4, 8]] == list(tensors)[3:]
