"""Every payload type has committed bytes, and neither encoder nor decoder departs from them."""

import binascii

import pytest

from messaging.errors import MessageRefused
from messaging.reports import Heartbeat
from messaging.wire_format.codec import FORMAT_VERSION, PAYLOADS, decode, encode
from tests.support.messaging.golden import golden_bytes, golden_messages

MESSAGES, BYTES = golden_messages(), golden_bytes()
HEARTBEAT_WITHOUT_BUDGETS = bytes.fromhex(
    "0378b5cf4cc4e739d0123b0b4d41cd1d9de8e4cb573220b152c1e11ae487878787878787878787878787878787878787"
    "87878787878787af89a74099fc7f050000000000000000000000000000000000000000000000000088a011f34d9072a8"
    "fbd65e99fa2df4e7ec29baedd1477bc09f9b568001"
)
"""The golden heartbeat as it was written before cameras had a budget (schema digest cf4cc4)."""

HEARTBEAT_WITHOUT_TRANSPORT = bytes.fromhex(
    "032fe4db8f46e739d0123b0b4d41cd1d9de8e4cb573220b152c1e11ae487878787878787878787878787878787878787"
    "87878787878787af89a74099fc7f050000000000000000000000000000000000000000000000000088a011f34d9072a8"
    "fb668740a3e7fe179ba198c9563337a77ed28d5972122442"
)
"""And before it had the bytes beside payloads (schema digest db8f46)."""

HEARTBEAT_WITHOUT_FLOWS = bytes.fromhex(
    "0309a3e220d3e739d0123b0b4d41cd1d9de8e4cb573220b152c1e11ae487878787878787878787878787878787878787"
    "87878787878787af89a74099fc7f050000000000000000000000000000000000000000000000000088a011b37feaf1eb"
    "7271246a6b0a821d1ce4e3f218b414259dffa79d77a0eb63d6979606"
)
"""And before cameras stated what became of their frames (schema digest e220d3)."""


def without(*names: str) -> Heartbeat:
    """The golden heartbeat without some of the fields of its cameras."""
    golden = MESSAGES["heartbeat"].report
    assert isinstance(golden, Heartbeat)
    cameras = tuple(camera.model_copy(update=dict.fromkeys(names)) for camera in golden.cameras)
    return golden.model_copy(update={"cameras": cameras})


def test_every_payload_type_has_golden_bytes() -> None:
    assert set(PAYLOADS) <= set(BYTES)
    assert set(MESSAGES) == set(BYTES)


@pytest.mark.parametrize("name", sorted(BYTES))
def test_a_message_is_encoded_as_its_golden_bytes(name: str) -> None:
    assert encode(MESSAGES[name]).hex() == BYTES[name].hex()


@pytest.mark.parametrize("name", sorted(BYTES))
def test_golden_bytes_are_decoded_as_their_message(name: str) -> None:
    assert decode(BYTES[name]) == MESSAGES[name]


def test_a_heartbeat_from_before_the_budgets_is_read_and_states_none() -> None:
    expected = without("budget", "flow").model_copy(update={"transport_bytes": None})
    assert decode(HEARTBEAT_WITHOUT_BUDGETS).report == expected


def test_a_heartbeat_from_before_the_bytes_beside_payloads_is_read_and_states_none() -> None:
    expected = without("flow").model_copy(update={"transport_bytes": None})
    assert decode(HEARTBEAT_WITHOUT_TRANSPORT).report == expected


def test_a_heartbeat_from_before_the_flow_of_frames_is_read_and_states_none() -> None:
    assert decode(HEARTBEAT_WITHOUT_FLOWS).report == without("flow")


def test_a_message_of_an_earlier_schema_has_one_encoding_as_well() -> None:
    longer = HEARTBEAT_WITHOUT_BUDGETS[3:] + b"\0"
    check = binascii.crc_hqx(longer, 0).to_bytes(2, "little")
    with pytest.raises(MessageRefused):
        decode(bytes([FORMAT_VERSION]) + check + longer)
