"""The comparison of encodings: every format holds the same values, and the wire format needs fewest bytes."""

import json
import sys
from pathlib import Path

import cbor2
import pytest

from messaging.wire_format.codec import PAYLOADS, decode, encode
from messaging.wire_format.experiments import compare_encodings
from messaging.wire_format.experiments.busy_minute import busy_minute
from messaging.wire_format.experiments.other_formats import (
    cbor_bytes,
    plain_message,
    positional_cbor_bytes,
    protobuf_bytes,
    uper_bytes,
)
from tests.support.messaging.golden import golden_messages

MESSAGES = {**busy_minute(), **golden_messages()}


def test_every_payload_type_is_compared_and_a_seed_gives_the_same_messages() -> None:
    assert {message.kind for message in busy_minute().values()} == set(PAYLOADS)
    assert busy_minute() == busy_minute()
    assert busy_minute(1) != busy_minute(2)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_written_in_every_format(name: str) -> None:
    message = MESSAGES[name]
    assert decode(encode(message)) == message
    assert cbor2.loads(cbor_bytes(message)) == plain_message(message)
    for write in (uper_bytes, protobuf_bytes, positional_cbor_bytes):
        assert len(write(message)) < len(cbor_bytes(message))


def test_the_command_prints_a_table_and_writes_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["compare", "--out", str(tmp_path / "wire_format.json")])
    compare_encodings.main()
    header, *rows = capsys.readouterr().out.splitlines()
    assert (
        header == "| message | wire_format | uper | protobuf | cbor_positional | cbor | json_deflate | json |"
    )
    assert len(rows) == len(busy_minute())
    figures = json.loads((tmp_path / "wire_format.json").read_text())["figures"]
    assert {figure["name"]: figure["holds"] for figure in figures}["sum_wire_format"] is True
