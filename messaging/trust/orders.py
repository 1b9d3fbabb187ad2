"""Rollout orders: signed by the director key, and the pure rules by which a site judges one.

An order can only choose among releases, so a stolen director key can choose, not invent. Signature comes
first, on the exact bytes; then site, sequence, clock and expiry. Nothing here reads a clock or a disk.
"""

from dataclasses import dataclass

from messaging.releases import RolloutOrder
from messaging.reports import SwapReason
from messaging.trust.envelopes import MAX_ENVELOPE_BYTES, open_envelope, sign_envelope
from messaging.trust.keys import PublicKey, SigningKey

MAX_ORDER_BYTES = MAX_ENVELOPE_BYTES
PURPOSE = b"blindspot rollout order 1\n"
EARLIEST_SANE_UTC = 1_735_689_600  # 2025-01-01: older than any order, so a clock before it was never set
CLOCK_SLACK_S = 3600


def sign_order(order: RolloutOrder, director: SigningKey) -> bytes:
    """The order's envelope."""
    return sign_envelope(order, PURPOSE, director)


def verify_order(envelope: bytes, director: PublicKey) -> RolloutOrder:
    """The order in an envelope. Raises `TrustError`: too long, not an envelope, not the director's."""
    return open_envelope(envelope, PURPOSE, director, RolloutOrder, "rollout order")


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
