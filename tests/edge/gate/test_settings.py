"""Settings of the gate are validated when they are read: none may keep evidence at the site for ever."""

from pathlib import Path
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
        "hub_ca": "hub_ca.pem",
        "hub_certificate": "hub.pem",
        "trust": "trust.json",
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


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hub_ca": None, "hub_certificate": None}, "hub_url tls://hub is encrypted or on another machine"),
        (
            {"hub_url": "nats://u:pw@10.0.0.5:4222", "hub_ca": None, "hub_certificate": None},
            r"hub_url nats://\*\*\*@10.0.0.5:4222 is encrypted or on another machine: set hub_ca",
        ),
        ({"hub_url": "", "hub_ca": None, "hub_certificate": None}, "on another machine: set hub_ca"),
        ({"hub_url": "tls://[::1]:1", "hub_ca": None, "hub_certificate": None}, "is encrypted or on"),
        ({"hub_certificate": None}, "hub_ca and hub_certificate belong together"),
    ],
)
def test_a_hub_on_another_machine_without_tls_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        _settings(**changes)


@pytest.mark.parametrize("url", ["nats://127.0.0.1:4222", "nats://[::1]:4222", "nats://localhost:4222"])
def test_a_hub_on_loopback_may_be_plain(url: str) -> None:
    assert _settings(hub_url=url, hub_ca=None, hub_certificate=None).hub_link(Path("a"), None).tls is None


def test_under_the_least_cap_one_message_of_evidence_may_leave() -> None:
    least = ByteLimits(LEAST_CAP_BYTES, LEAST_CAP_BYTES)
    cap = RateCap(evidence=least, hazards=least, spent_today={}, now_s=0.0)
    assert MAX_MESSAGE_BYTES <= cap.available(Lane.EVIDENCE, 0.0) < MAX_MESSAGE_BYTES + 1
