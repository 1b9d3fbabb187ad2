"""Whatever a library raises behind a generator is one sentence of ours."""

import json

import httpx
import pytest
import torch
from safetensors import SafetensorError

from messaging.errors import BlindspotError
from synth.errors import GeneratorUnavailable
from synth.generation.generator_errors import generator_errors


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("HeaderTooLarge"),
        OSError(5, "Input/output error"),
        ValueError("a\nb"),
        KeyError("x"),
        json.JSONDecodeError("no", "", 0),
        torch.OutOfMemoryError("too large"),
        RuntimeError(""),
        httpx.ReadTimeout("slow"),
        ImportError("no module"),
        MemoryError(),
        RecursionError(),
        AttributeError("x"),
        TypeError("x"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
        AssertionError(),
        NotImplementedError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_of_a_library_is_one_sentence_of_ours(error: Exception) -> None:
    sentence = r"^unet cannot be loaded \(.+\); try"
    with (
        pytest.raises(GeneratorUnavailable, match=sentence) as why,
        generator_errors("unet cannot be loaded", "try"),
    ):
        raise error
    assert "\n" not in str(why.value)


def test_an_error_of_ours_and_a_request_to_end_pass_unchanged() -> None:
    for error in (BlindspotError("x"), KeyboardInterrupt(), SystemExit(1)):
        with pytest.raises(type(error)) as passed, generator_errors("a", "b"):
            raise error
        assert passed.value is error
