"""The state of a training: written and read without a pickle, refused when it is another's or damaged."""

from pathlib import Path

import pytest
import torch

from cloud.detector.ultralytics.resume_state import (
    TrainingCounters,
    TrainingState,
    read_state,
    write_state,
)

COUNTERS = TrainingCounters(
    training="a", epochs=2, batch=8, losses=(1.5, 1.25), average_updates=9, loss_scale={"scale": 2.0}
)


def _state() -> TrainingState:
    kernel = torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)
    return TrainingState(
        COUNTERS,
        {"model.0.weight": kernel, "model.0.count": torch.tensor(3)},
        {"model.0.weight": kernel + 1},
        {0: {"step": torch.tensor(7.0), "exp_avg": kernel}, 12: {"step": torch.tensor(7.0)}},
    )


def test_a_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path, state = tmp_path / "state", _state()
    write_state(path, state)
    found = read_state(path, "a")
    assert found is not None
    assert found.counters == COUNTERS
    assert set(found.optimiser) == {0, 12}
    assert torch.equal(found.optimiser[0]["exp_avg"], state.optimiser[0]["exp_avg"])
    for own, other in ((found.network, state.network), (found.average, state.average)):
        assert set(own) == set(other)
        assert all(torch.equal(own[name], other[name]) for name in own)


def test_no_file_and_the_state_of_another_training_are_no_state(tmp_path: Path) -> None:
    assert read_state(tmp_path / "state", "a") is None
    write_state(tmp_path / "state", _state())
    assert read_state(tmp_path / "state", "b") is None


@pytest.mark.parametrize("damage", ["empty", "cut", "pickle", "foreign", "counters"])
def test_a_damaged_state_is_said_and_the_training_begins_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    path = tmp_path / "state"
    write_state(path, _state())
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:-5],
            "pickle": b"cos\nsystem\n(Vtouch OPENED\ntR.",
            "foreign": whole.replace(b'"training"', b'"traininx"'),
            "counters": whole.replace(b'\\"epochs\\":2', b'\\"epochs\\":x'),
        }[damage]
    )
    assert read_state(path, "a") is None
    assert "it begins with its first epoch" in caplog.text
    assert not (tmp_path / "OPENED").exists()
