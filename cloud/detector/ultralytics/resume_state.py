"""The state of a training after its last whole epoch: one safetensors file, from which it goes on exactly.

Tensors of network, moving average and optimiser; counters as JSON in the metadata. No pickle is written or
read. A file that is damaged or of another training is no state: that training begins with its first epoch.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from safetensors.torch import load, save
from torch import Tensor

from messaging.errors import FileFault
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.binary_files import read_safetensors_header

logger = logging.getLogger(__name__)

COUNTERS_KEY = "training"
NETWORK, AVERAGE, OPTIMISER = "network.", "average.", "optimiser."


class TrainingCounters(BaseModel):
    """Everything of a training's state that is no tensor.

    Attributes:
        training: names plan, parent and images; a state of another training is not continued.
        epochs: whole epochs done.
        batch: images per batch, fewer than planned after memory ran out.
        losses: mean loss per image of each of these epochs.
        average_updates: updates of the moving average.
        loss_scale: state of the gradient scaler, empty in other precisions than float16.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: str
    epochs: int
    batch: int
    losses: tuple[float, ...]
    average_updates: int
    loss_scale: dict[str, float]


@dataclass(frozen=True, eq=False)
class TrainingState:
    """Counters, and tensors by name; those of the optimiser by number of their parameter."""

    counters: TrainingCounters
    network: Mapping[str, Tensor]
    average: Mapping[str, Tensor]
    optimiser: Mapping[int, Mapping[str, Tensor]]


def write_state(path: Path, state: TrainingState) -> None:
    """Replace the file atomically."""
    tensors = {NETWORK + name: value for name, value in state.network.items()}
    tensors |= {AVERAGE + name: value for name, value in state.average.items()}
    tensors |= {
        f"{OPTIMISER}{number}.{name}": value
        for number, values in state.optimiser.items()
        for name, value in values.items()
    }
    stored = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    write_atomically(path, save(stored, {COUNTERS_KEY: state.counters.model_dump_json()}))


def read_state(path: Path, training: str) -> TrainingState | None:
    """The state of a training; None without a file, or with one that is damaged or of another training."""
    if not path.exists():
        return None
    try:
        counters = TrainingCounters.model_validate_json(read_safetensors_header(path).metadata[COUNTERS_KEY])
        if counters.training != training:
            return None
        tensors = load(path.read_bytes())
        numbered: dict[int, dict[str, Tensor]] = {}
        for name, value in _with_prefix(tensors, OPTIMISER).items():
            number, _, key = name.partition(".")
            numbered.setdefault(int(number), {})[key] = value
    except (FileFault, OSError, KeyError, ValueError) as error:
        logger.warning("%s is no state of a training (%s): it begins with its first epoch", path, error)
        return None
    network, average = (_with_prefix(tensors, prefix) for prefix in (NETWORK, AVERAGE))
    return TrainingState(counters, network, average, numbered)


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
