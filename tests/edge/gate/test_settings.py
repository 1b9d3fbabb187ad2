"""Settings of the gate are validated when they are read: none may keep evidence at the site for ever."""

from typing import Any

import pytest
from pydantic import ValidationError

from edge.gate.rate_cap import ByteLimits, RateCap
from edge.gate.settings import LEAST_CAP_BYTES, GateSettings
from messaging.wire_format.codec import MAX_MESSAGE_BYTES, Lane


def _settings(**changes: Any) -> GateSettings:
    values = {
        "site": "s1",
        "site_url": "nats://site",
        "site_credentials": "gate.nk",
        "hub_url": "tls://hub",
        "hub_credentials": "s1.creds",
        "data_folder": "gate",
        "mirror_folder": "mirror",
    }
    return GateSettings.model_validate({**values, **changes})


@pytest.mark.parametrize(
    "name", ["bytes_per_minute", "bytes_per_day", "hazard_bytes_per_minute", "hazard_bytes_per_day"]
)
def test_a_cap_under_which_a_message_would_never_leave_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"a cap of {LEAST_CAP_BYTES - 1} bytes would hold messages"):
        _settings(**{name: LEAST_CAP_BYTES - 1})
    _settings(**{name: LEAST_CAP_BYTES})


def test_under_the_least_cap_one_message_of_evidence_may_leave() -> None:
    least = ByteLimits(LEAST_CAP_BYTES, LEAST_CAP_BYTES)
    cap = RateCap(evidence=least, hazards=least, spent_today={}, now_s=0.0)
    assert MAX_MESSAGE_BYTES <= cap.available(Lane.EVIDENCE, 0.0) < MAX_MESSAGE_BYTES + 1
