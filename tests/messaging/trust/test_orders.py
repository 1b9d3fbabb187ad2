"""Rollout orders: the envelope and the pure rules."""

import base64
import json
from pathlib import Path

import pytest

from messaging.errors import TrustError
from messaging.releases import Channel, RolloutOrder
from messaging.reports import SwapReason
from messaging.trust.keys import SigningKey
from messaging.trust.orders import (
    CLOCK_SLACK_S,
    MAX_ORDER_BYTES,
    OrdersSeen,
    judge_order,
    sign_order,
    verify_order,
)

NOW = 1_900_000_000


def order(**changes: object) -> RolloutOrder:
    fields = {
        "site": "harbour",
        "sequence": 7,
        "digest": "ab" * 32,
        "channel": Channel.SERVICE,
        "issued_at_utc": NOW,
        "expires_at_utc": NOW + 60,
    }
    return RolloutOrder.model_validate({**fields, **changes})


@pytest.fixture
def director(tmp_path: Path) -> SigningKey:
    return SigningKey.read_or_make(tmp_path / "director.pem")


def test_a_signed_order_is_read_back_and_is_small(director: SigningKey) -> None:
    envelope = sign_order(order(), director)
    assert verify_order(envelope, director.public) == order()
    assert len(envelope) < MAX_ORDER_BYTES / 8


def test_a_signature_for_another_purpose_is_refused(director: SigningKey) -> None:
    envelope = json.loads(sign_order(order(), director))
    envelope["signature"] = director.sign(base64.b64decode(envelope["payload"]))
    with pytest.raises(TrustError, match="forged or changed"):
        verify_order(json.dumps(envelope).encode(), director.public)


def test_an_envelope_over_the_limit_is_not_parsed(director: SigningKey) -> None:
    envelope = sign_order(order(), director)
    assert verify_order(envelope.ljust(MAX_ORDER_BYTES), director.public) == order()
    with pytest.raises(TrustError, match="was not parsed"):
        verify_order(envelope.ljust(MAX_ORDER_BYTES + 1), director.public)


def test_the_key_named_in_the_envelope_is_not_trusted(director: SigningKey, tmp_path: Path) -> None:
    thief = SigningKey.read_or_make(tmp_path / "thief.pem")
    with pytest.raises(TrustError):
        verify_order(sign_order(order(), thief), director.public)


@pytest.mark.parametrize(
    ("changes", "seen", "now", "verdict"),
    [
        pytest.param({}, OrdersSeen(), NOW, SwapReason.NONE, id="a first order"),
        pytest.param({}, OrdersSeen(6, NOW - 5), NOW, SwapReason.NONE, id="the next order"),
        pytest.param({}, OrdersSeen(7, NOW), NOW, SwapReason.OLDER_VERSION, id="the same again"),
        pytest.param({}, OrdersSeen(8, NOW), NOW, SwapReason.OLDER_VERSION, id="an older one"),
        pytest.param({"site": "x"}, OrdersSeen(), NOW, SwapReason.WRONG_SITE, id="another site's"),
        pytest.param({}, OrdersSeen(), NOW + 60, SwapReason.EXPIRED, id="expired just now"),
        pytest.param({}, OrdersSeen(), 0, SwapReason.CLOCK_NOT_SANE, id="clock never set"),
        pytest.param(
            {}, OrdersSeen(1, NOW + 9000), NOW, SwapReason.CLOCK_NOT_SANE, id="clock before a known order"
        ),
        pytest.param(
            {}, OrdersSeen(), NOW - CLOCK_SLACK_S - 1, SwapReason.CLOCK_NOT_SANE, id="order from the future"
        ),
        pytest.param({}, OrdersSeen(), NOW - CLOCK_SLACK_S, SwapReason.NONE, id="clock a little behind"),
    ],
)
def test_orders_are_checked_by_site_sequence_clock_and_expiry(
    changes: dict[str, object], seen: OrdersSeen, now: int, verdict: SwapReason
) -> None:
    assert judge_order(order(**changes), "harbour", seen, now) is verdict
