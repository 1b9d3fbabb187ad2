"""One message as CloudEvents JSON, from raw bytes or hex digits, by both command lines."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from messaging.errors import ConfigurationError, MessageRefused
from messaging.wire_format.codec import FORMAT_VERSION, SCHEMA_DIGESTS, encode
from messaging.wire_format.inspection import STANDARD_INPUT, cloud_event, cloud_event_json
from tests.support.messaging.golden import golden_messages
from tests.support.messaging.samples import HAZARD, ULID_SAMPLE

MESSAGES = golden_messages()
DATA = encode(MESSAGES["hazard"])


def test_a_cloud_event_has_id_source_type_schema_and_time() -> None:
    event = cloud_event(MESSAGES["hazard"])
    assert event["specversion"] == "1.0"
    assert event["type"] == f"blindspot.hazard.v{FORMAT_VERSION}"
    assert event["dataschema"] == f"urn:blindspot:hazard:{SCHEMA_DIGESTS['hazard'].hex()}"
    assert (event["source"], event["id"], event["time"]) == ("site/s1", ULID_SAMPLE, "2027-01-15T08:00:00Z")
    assert event["data"] == [HAZARD.model_dump(mode="json")]


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("raw bytes", DATA),
        ("hex digits", DATA.hex().encode()),
        ("hex digits in capitals and lines", DATA.hex(" ", 16).upper().replace(" ", "\n").encode() + b"\n"),
    ],
)
@pytest.mark.parametrize("from_file", [True, False])
def test_raw_bytes_and_hex_digits_are_the_same_message(
    form: str, data: bytes, from_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = STANDARD_INPUT
    if from_file:
        source = tmp_path / "message"
        source.write_bytes(data)
    else:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert json.loads(cloud_event_json(source)) == cloud_event(MESSAGES["hazard"])


@pytest.mark.parametrize(
    ("case", "data", "error", "sentence"),
    [
        ("empty", b"", MessageRefused, "format version none"),
        ("a JPEG", b"\xff\xd8\xff", MessageRefused, "format version 255"),
        ("an odd number of hex digits", DATA.hex()[:-1].encode(), ConfigurationError, "are not pairs"),
        ("cut short", DATA[:30], MessageRefused, "damaged"),
        ("too long", bytes(100_000), MessageRefused, "was not read"),
    ],
)
def test_what_is_no_message_is_refused(
    case: str, data: bytes, error: type[Exception], sentence: str, tmp_path: Path
) -> None:
    source = tmp_path / "message"
    source.write_bytes(data)
    with pytest.raises(error, match=sentence):
        cloud_event_json(source)


@pytest.mark.parametrize("program", ["edge.cli", "cloud.cli.main"])
def test_both_command_lines_print_a_message_and_refuse_anything_else(program: str, tmp_path: Path) -> None:
    def run(*arguments: str, data: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        command = [sys.executable, "-m", program, "message", *arguments]
        return subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)

    shown = run(data=DATA.hex().encode())
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert json.loads(shown.stdout) == cloud_event(MESSAGES["hazard"])
    refused = run(data=DATA[:-1])
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert refused.stderr.decode().splitlines() == [
        f"error: not a Blindspot message, or damaged: the check of its {len(DATA) - 1} bytes fails"
    ]
    absent = run(str(tmp_path / "absent"))
    assert (absent.returncode, absent.stdout) == (1, b"")
    assert b"cannot be read: No such file or directory" in absent.stderr
    assert absent.stderr.count(b"\n") == 1
