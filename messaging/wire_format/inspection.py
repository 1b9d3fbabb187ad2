"""One message as the JSON of CloudEvents 1.0, for people: what `blindspot message` prints.

Reads raw bytes or their hex digits, from a file or from standard input. Nothing is stored or sent.
"""

import datetime
import json
import sys
from pathlib import Path
from typing import Any

from messaging.errors import ConfigurationError
from messaging.wire_format.codec import FORMAT_VERSION, MAX_MESSAGE_BYTES, SCHEMA_DIGESTS, Message, decode

STANDARD_INPUT = Path("-")
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF \t\r\n")
_MAX_INPUT_BYTES = 4 * MAX_MESSAGE_BYTES


def cloud_event(message: Message) -> dict[str, Any]:
    """The message as a CloudEvent in JSON values; `data` is the list of its reports."""
    time = datetime.datetime.fromtimestamp(message.at_utc, tz=datetime.UTC)
    return {
        "specversion": "1.0",
        "id": message.id,
        "source": f"site/{message.site}",
        "type": f"blindspot.{message.kind}.v{FORMAT_VERSION}",
        "dataschema": f"urn:blindspot:{message.kind}:{SCHEMA_DIGESTS[message.kind].hex()}",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "datacontenttype": "application/json",
        "data": [report.model_dump(mode="json") for report in message.reports],
    }


def cloud_event_json(source: Path) -> str:
    """The JSON of the message in a file, or on standard input for `-`.

    Raises `ConfigurationError` when the file cannot be read, `MessageRefused` when it holds no message.
    """
    return json.dumps(cloud_event(decode(_without_hex(_read(source)))), indent=1)


def _read(source: Path) -> bytes:
    if source == STANDARD_INPUT:
        return sys.stdin.buffer.read(_MAX_INPUT_BYTES)
    try:
        with source.open("rb") as file:
            return file.read(_MAX_INPUT_BYTES)
    except OSError as error:
        raise ConfigurationError(f"{source} cannot be read: {error.strerror}; give one message") from None


def _without_hex(data: bytes) -> bytes:
    """Raw bytes; no message consists of hex digits only, because its first byte is the format version."""
    if not data.strip() or not _HEX_DIGITS.issuperset(data):
        return data
    try:
        return bytes.fromhex(data.decode("ascii"))
    except ValueError:
        raise ConfigurationError("the hex digits of the message are not pairs; give all of them") from None
