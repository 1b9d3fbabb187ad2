"""Which releases may be rolled out from their page."""

from typing import Any

import pytest

from dashboards.pages.model import may_roll_out, start_question
from messaging.release_resources import ModelResource

DIGEST, OTHER = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("changed", "current", "expected"),
    [
        ({}, OTHER, True),
        ({}, None, True),
        ({}, DIGEST, False),
        ({"channel": "shadow"}, OTHER, False),
        ({"role": "teacher"}, OTHER, False),
    ],
)
def test_a_detector_for_service_that_is_not_in_service_may_be_rolled_out(
    changed: dict[str, Any], current: str | None, expected: bool
) -> None:
    fields: dict[str, Any] = {
        "digest": DIGEST, "channel": "service", "name": "first", "version": 1, "length_bytes": 9,
        "parent_digest": None, "campaign": None, "signed_at": 1_800_000_000, "description": {},
    }  # fmt: skip
    assert may_roll_out(ModelResource.model_validate(fields | changed), current) is expected


def test_the_question_states_which_model_goes_where() -> None:
    assert start_question(DIGEST).startswith("Model aaaaaaaa")
    assert "canary" in start_question(DIGEST)
