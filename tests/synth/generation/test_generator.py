"""Requests to a generator: contradictions are refused before any work."""

import numpy as np
import pytest

from messaging.errors import ConfigurationError
from synth.generation.generator import PatchRequest

PATCH = np.zeros((64, 64, 3), np.uint8)
MASK = np.ones((64, 64), np.bool_)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"patch": np.zeros((64, 60, 3), np.uint8)}, "square BGR uint8"),
        ({"patch": np.zeros((64, 64, 3), np.float32)}, "square BGR uint8"),
        ({"mask": np.ones((32, 32), np.bool_)}, r"mask must be bool \(64, 64\)"),
        ({"mask": np.zeros((64, 64), np.bool_)}, "at least one pixel to inpaint"),
        ({"prototype": np.zeros(32, np.float32)}, r"prototype must have shape \(64,\)"),
        ({"seed": -1}, "seed must be between"),
    ],
)
def test_a_request_that_contradicts_itself_is_refused(changed: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        PatchRequest(**({"prompt": "a photo", "patch": PATCH, "mask": MASK, "seed": 1} | changed))
