"""Where torch runs and in which precision: the only place that decides it, for synth and cloud.

`this_machine` reads what is there; `choose_device` selects from it by the settings `device` and `precision`
(`synth.device_names`). Callers move modules and tensors to `TorchDevice.device` and compute inside
`TorchDevice.autocast()`.
"""

import logging
from dataclasses import dataclass
from functools import cache

import torch

from messaging.errors import ConfigurationError
from synth.device_names import AUTO, DeviceName, Precision

logger = logging.getLogger(__name__)

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Compute capability from which a card multiplies in this precision faster than in single precision.
_FLOAT16_CAPABILITY, _BFLOAT16_CAPABILITY = 7, 8


@dataclass(frozen=True)
class Card:
    """One CUDA (or ROCm) card: its name, memory, and the half precisions that it computes fast in."""

    name: str
    memory_bytes: int
    bfloat16: bool
    float16: bool


@dataclass(frozen=True)
class Machine:
    """What torch can run on here; `cuda_build` is false for a torch that was built without CUDA or ROCm."""

    cards: tuple[Card, ...] = ()
    mps: bool = False
    cpu_bfloat16: bool = False
    cuda_build: bool = False


@dataclass(frozen=True)
class TorchDevice:
    """The device chosen, the precision of its matrix products, and the name of the hardware."""

    device: torch.device
    dtype: torch.dtype
    hardware: str

    def __str__(self) -> str:
        return f"{self.device} ({self.hardware}) in {str(self.dtype).removeprefix('torch.')}"

    def autocast(self) -> torch.autocast:
        """A context in which torch computes in the chosen precision; single precision changes nothing."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)


CPU_FLOAT32 = TorchDevice(torch.device("cpu"), torch.float32, "processor")
"""For comparisons and tests."""


@cache
def this_machine() -> Machine:
    """What torch finds on this machine."""
    cuda_build = torch.version.cuda is not None or torch.version.hip is not None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Machine(
        cards=tuple(_card(index) for index in range(count)),
        mps=torch.backends.mps.is_available(),
        cpu_bfloat16=bool(torch.cpu._is_avx512_bf16_supported()),  # noqa: SLF001  # torch has no public name
        cuda_build=cuda_build,
    )


def _card(index: int) -> Card:
    properties = torch.cuda.get_device_properties(index)
    rocm = torch.version.hip is not None
    return Card(
        name=properties.name,
        memory_bytes=properties.total_memory,
        bfloat16=rocm or properties.major >= _BFLOAT16_CAPABILITY,
        float16=rocm or properties.major >= _FLOAT16_CAPABILITY,
    )


def choose_device(
    device: DeviceName = AUTO, precision: Precision = AUTO, *, machine: Machine | None = None
) -> TorchDevice:
    """The device and precision of two settings; `auto` is CUDA, then MPS, then the CPU.

    `precision: auto` is the fastest half precision that the hardware has (bfloat16 before float16), on MPS
    and on other processors single precision.

    Raises:
        ConfigurationError: what is asked for is not there; the message names what is.
    """
    found = this_machine() if machine is None else machine
    place, hardware = _place(device, found)
    chosen = TorchDevice(place, _dtype(precision, place, found), hardware)
    logger.info("torch runs on %s (device: %s, precision: %s)", chosen, device, precision)
    return chosen


def _place(device: DeviceName, machine: Machine) -> tuple[torch.device, str]:
    if device == AUTO:
        device = "cuda" if machine.cards else "mps" if machine.mps else "cpu"
    kind, _, number = device.partition(":")
    if kind == "cuda":
        index = int(number or 0)
        if index >= len(machine.cards):
            raise ConfigurationError(
                f"device {device} was asked for, but {_cards_found(machine)}; choose auto or cpu, or see "
                "docs/gpu.md"
            )
        card = machine.cards[index]
        return torch.device("cuda", index), f"{card.name}, {card.memory_bytes / 2**30:.0f} GiB"
    if kind == "mps":
        if not machine.mps:
            raise ConfigurationError(
                "device mps was asked for, but torch finds no Apple graphics processor; choose auto or cpu"
            )
        return torch.device("mps"), "Apple graphics processor"
    return torch.device("cpu"), "processor"


def _cards_found(machine: Machine) -> str:
    if machine.cards:
        last = len(machine.cards) - 1
        return f"the cards here are cuda:0{f' to cuda:{last}' if last else ''}"
    if not machine.cuda_build:
        return f"torch {torch.__version__} was installed without CUDA"
    return "torch finds no usable CUDA card (check its driver with nvidia-smi)"


def _dtype(precision: Precision, place: torch.device, machine: Machine) -> torch.dtype:
    if place.type == "cuda":
        card = machine.cards[place.index]
        what, bfloat16, float16 = f"card {place} ({card.name})", card.bfloat16, card.float16
    else:
        what, bfloat16, float16 = "this processor", machine.cpu_bfloat16, False
    if precision == AUTO:
        half = place.type != "mps"  # not measured there
        return torch.bfloat16 if half and bfloat16 else torch.float16 if half and float16 else torch.float32
    if precision == "bfloat16" and not bfloat16 and place.type != "mps":
        raise ConfigurationError(
            f"precision bfloat16 was asked for, but {what} lacks it; choose auto or float32"
        )
    if precision == "float16" and place.type == "cpu":
        raise ConfigurationError(
            "precision float16 was asked for, but processors do not compute in it; choose auto or float32"
        )
    return _DTYPES[precision]
