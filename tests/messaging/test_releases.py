"""A bundle's description agrees with itself; an order is refused outside its bounds."""

from typing import Any

import pytest
from pydantic import ValidationError

from messaging.releases import BundleDescription, Channel, RolloutOrder
from messaging.taxonomy import taxonomy_of

CLASSES = ("fire", "smoke")
DESCRIPTION: dict[str, Any] = {
    "name": "detector",
    "class_names": CLASSES,
    "taxonomy_digest": taxonomy_of(CLASSES).digest,
    "input_width": 320,
    "input_height": 320,
    "thresholds": {"fire": 0.3, "smoke": 0.4},
    "feature_stride": 8,
    "embedding_width": 64,
    "embedding_digest": "ab" * 32,
    "clip_norm": 1.0,
    "licence": "AGPL-3.0-or-later",
}


def test_a_description_is_read_back_from_its_json() -> None:
    description = BundleDescription.model_validate(DESCRIPTION)
    assert BundleDescription.model_validate_json(description.model_dump_json()) == description


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"class_names": ("smoke", "fire")}, "taxonomy_digest is not the digest of class_names"),
        ({"thresholds": {"fire": 0.3}}, "thresholds must name each class once"),
        ({"input_width": 321}, "multiple of 32"),
        ({"embedding_width": 65}, "less than or equal to 64"),
        ({"unknown": 1}, "not permitted"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        BundleDescription.model_validate({**DESCRIPTION, **changes})


def test_an_order_names_a_site_a_release_and_a_channel() -> None:
    order = {"site": "s1", "sequence": 1, "digest": "ab" * 32, "channel": "service"}
    times = {"issued_at_utc": 1, "expires_at_utc": 2}
    assert RolloutOrder.model_validate({**order, **times}).channel is Channel.SERVICE
    for change in ({"sequence": 0}, {"site": "*"}, {"digest": "ab"}, {"channel": "other"}):
        with pytest.raises(ValidationError):
            RolloutOrder.model_validate({**order, **times, **change})
