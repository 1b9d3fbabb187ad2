"""Signatures of the Standard Webhooks specification 1.0: HMAC-SHA256 of id, time and body. Pure.

The recipient computes the same over the bytes that it received, compares in constant time, and refuses
messages whose time is more than a few minutes off, so that a recorded message cannot be sent again.
"""

import base64
import hmac
from collections.abc import Sequence


def signature_headers(keys: Sequence[bytes], *, message_id: str, sent_at: int, body: bytes) -> dict[str, str]:
    """The headers of one message. With several keys there is a signature of each.

    Args:
        keys: the bytes behind `whsec_`.
        message_id: the same whenever the message is sent; recipients drop what they know.
        sent_at: seconds since 1970, of this attempt.
        body: the exact bytes that are sent.
    """
    signed = b".".join((message_id.encode(), str(sent_at).encode(), body))
    signatures = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": " ".join(f"v1,{one}" for one in signatures),
    }
