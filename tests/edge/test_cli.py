"""The command line of the edge: what it shows of a message."""

import json
from pathlib import Path

from typer.testing import CliRunner

from edge.cli import app
from messaging.wire_format.codec import Message, encode
from tests.support.messaging.samples import HAZARD, ULID_SAMPLE


def test_a_captured_message_can_be_read_by_people(tmp_path: Path) -> None:
    file = tmp_path / "captured.bin"
    file.write_bytes(encode(Message(ULID_SAMPLE, "s1", 1_800_000_000, HAZARD)))
    shown = CliRunner().invoke(app, ["message", str(file)])
    assert json.loads(shown.output)["data"] == [HAZARD.model_dump(mode="json")]
