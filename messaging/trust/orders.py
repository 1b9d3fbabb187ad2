"""Rollout orders: signed by the director key, and the pure rules by which a site judges one.

An order can only choose among releases, so a stolen director key can choose, not invent. Signature comes
first, on the exact bytes; then site, sequence, clock and expiry. Nothing here reads a clock or a disk.
"""

import base64
import binascii
import json
from dataclasses import dataclass

from pydantic import ValidationError

from messaging.errors import TrustError
from messaging.releases import RolloutOrder
from messaging.reports import SwapReason
from messaging.trust.keys import PublicKey, SigningKey

MAX_ORDER_BYTES = 8 * 1024
PURPOSE = b"blindspot rollout order 1\n"
EARLIEST_SANE_UTC = 1_735_689_600  # 2025-01-01: older than any order, so a clock before it was never set
CLOCK_SLACK_S = 3600


def sign_order(order: RolloutOrder, director: SigningKey) -> bytes:
    """The order's envelope: canonical payload in base64, signature in hex, id of the key."""
    payload = json.dumps(order.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode("ascii")
    envelope = {
        "key": director.public.key_id,
        "payload": base64.b64encode(payload).decode("ascii"),
        "signature": director.sign(PURPOSE + payload),
    }
    return json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode("ascii")


def verify_order(envelope: bytes, director: PublicKey) -> RolloutOrder:
    """The order in an envelope. Raises `TrustError`: too long, not an envelope, not the director's."""
    if len(envelope) > MAX_ORDER_BYTES:
        raise TrustError(f"rollout order has over {MAX_ORDER_BYTES} bytes; it was not parsed", "wrong_length")
    try:
        parts = json.loads(envelope)
        payload = base64.b64decode(parts["payload"], validate=True)
        signature = str(parts["signature"])
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise TrustError("rollout order is not an envelope of payload, signature and key") from None
    director.verify(PURPOSE + payload, signature, "rollout order")
    try:
        return RolloutOrder.model_validate_json(payload)
    except ValidationError as error:
        raise TrustError(f"rollout order is signed but has another form: {error}") from None


@dataclass(frozen=True)
class OrdersSeen:
    """What a site remembers of the orders it took: kept on disk across restarts.

    Attributes:
        last_sequence: sequence of the last order that was carried out or refused for good.
        last_issued_at_utc: the latest time of issue among them; the clock cannot be before it.
    """

    last_sequence: int = 0
    last_issued_at_utc: int = 0


def judge_order(order: RolloutOrder, site: str, seen: OrdersSeen, now_utc: int) -> SwapReason:
    """Why a genuine order is refused, or `SwapReason.NONE`.

    Only upward: an order whose sequence is not above the last is `OLDER_VERSION`. A clock that is before
    accepted orders, or before this one's issue, is `CLOCK_NOT_SANE`: such an order may be evaluated again
    once the clock is right, all other results are final.
    """
    if order.site != site:
        return SwapReason.WRONG_SITE
    if order.sequence <= seen.last_sequence:
        return SwapReason.OLDER_VERSION
    known_time = max(EARLIEST_SANE_UTC, seen.last_issued_at_utc, order.issued_at_utc)
    if now_utc + CLOCK_SLACK_S < known_time:
        return SwapReason.CLOCK_NOT_SANE
    if now_utc >= order.expires_at_utc:
        return SwapReason.EXPIRED
    return SwapReason.NONE
