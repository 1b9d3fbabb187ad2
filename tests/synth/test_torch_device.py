"""The device and precision that settings select on machines with and without cards."""

import logging
from dataclasses import replace

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from messaging.errors import ConfigurationError
from synth.device_names import DeviceName, Precision
from synth.torch_device import CPU_FLOAT32, Card, Machine, choose_device, this_machine

AMPERE = Card("A100", 40 * 2**30, bfloat16=True, float16=True)
TURING = Card("T4", 16 * 2**30, bfloat16=False, float16=True)
PASCAL = Card("P40", 24 * 2**30, bfloat16=False, float16=False)
BARE = Machine()
MODERN_CPU = Machine(cpu_bfloat16=True)
MAC = Machine(mps=True)
TWO_CARDS = Machine(cards=(AMPERE, TURING), mps=True, cpu_bfloat16=True, cuda_build=True)
OLD_CARD = Machine(cards=(PASCAL,), cuda_build=True)
NO_DRIVER = Machine(cuda_build=True)


@pytest.mark.parametrize(
    ("machine", "device", "precision", "place", "dtype"),
    [
        pytest.param(TWO_CARDS, "auto", "auto", "cuda:0", torch.bfloat16, id="CUDA before all others"),
        pytest.param(MAC, "auto", "auto", "mps", torch.float32, id="MPS before the CPU"),
        pytest.param(BARE, "auto", "auto", "cpu", torch.float32, id="CPU in single precision"),
        pytest.param(MODERN_CPU, "auto", "auto", "cpu", torch.bfloat16, id="CPU that has bfloat16"),
        pytest.param(TWO_CARDS, "cuda", "auto", "cuda:0", torch.bfloat16, id="the first card"),
        pytest.param(TWO_CARDS, "cuda:1", "auto", "cuda:1", torch.float16, id="a card without bfloat16"),
        pytest.param(OLD_CARD, "auto", "auto", "cuda:0", torch.float32, id="a card without half precision"),
        pytest.param(TWO_CARDS, "cpu", "float32", "cpu", torch.float32, id="CPU beside a card"),
        pytest.param(MODERN_CPU, "cpu", "bfloat16", "cpu", torch.bfloat16, id="bfloat16 as asked"),
        pytest.param(MAC, "mps", "float16", "mps", torch.float16, id="half precision on MPS as asked"),
    ],
)
def test_settings_select_device_and_precision(
    machine: Machine, device: DeviceName, precision: Precision, place: str, dtype: torch.dtype
) -> None:
    chosen = choose_device(device, precision, machine=machine)
    assert (chosen.device, chosen.dtype) == (torch.device(place), dtype)


@pytest.mark.parametrize(
    ("machine", "device", "precision", "sentence"),
    [
        (BARE, "cuda", "auto", "was installed without CUDA; choose auto or cpu"),
        (NO_DRIVER, "cuda:0", "auto", "no usable CUDA card"),
        (TWO_CARDS, "cuda:2", "auto", "the cards here are cuda:0 to cuda:1"),
        (OLD_CARD, "cuda:1", "auto", "the cards here are cuda:0;"),
        (BARE, "mps", "auto", "no Apple graphics processor"),
        (BARE, "cpu", "bfloat16", "this processor lacks it; choose auto or float32"),
        (TWO_CARDS, "cuda:1", "bfloat16", r"card cuda:1 \(T4\) lacks it"),
        (MODERN_CPU, "cpu", "float16", "processors do not compute in it"),
    ],
)
def test_what_is_asked_for_and_absent_is_one_sentence(
    machine: Machine, device: DeviceName, precision: Precision, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        choose_device(device, precision, machine=machine)


def test_the_choice_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="synth.torch_device"):
        choose_device(machine=TWO_CARDS)
    assert "cuda:0 (A100, 40 GiB) in bfloat16 (device: auto, precision: auto)" in caplog.text


def test_this_machine_always_gives_a_device_that_computes() -> None:
    chosen = choose_device()
    assert float(torch.ones(2, device=chosen.device).sum()) == 2.0
    assert this_machine() is this_machine()


def test_matrix_products_have_the_chosen_precision() -> None:
    some = torch.ones(4, 4)
    with replace(CPU_FLOAT32, dtype=torch.bfloat16).autocast():
        assert (some @ some).dtype == torch.bfloat16
    with CPU_FLOAT32.autocast():
        assert (some @ some).dtype == torch.float32


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", "cuda:100", "cpu:0", ""])
def test_other_names_are_no_device(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[str](DeviceName).validate_python(name)
