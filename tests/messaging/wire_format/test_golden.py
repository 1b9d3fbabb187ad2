"""Every payload type has committed bytes, and neither encoder nor decoder departs from them."""

import pytest

from messaging.wire_format.codec import PAYLOADS, decode, encode
from tests.support.messaging.golden import golden_bytes, golden_messages

MESSAGES, BYTES = golden_messages(), golden_bytes()


def test_every_payload_type_has_golden_bytes() -> None:
    assert set(PAYLOADS) <= set(BYTES)
    assert set(MESSAGES) == set(BYTES)


@pytest.mark.parametrize("name", sorted(BYTES))
def test_a_message_is_encoded_as_its_golden_bytes(name: str) -> None:
    assert encode(MESSAGES[name]).hex() == BYTES[name].hex()


@pytest.mark.parametrize("name", sorted(BYTES))
def test_golden_bytes_are_decoded_as_their_message(name: str) -> None:
    assert decode(BYTES[name]) == MESSAGES[name]
