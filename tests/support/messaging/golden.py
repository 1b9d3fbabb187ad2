"""Golden bytes: what `encode` must give for one message of every payload type, and for batches.

After a deliberate change of the wire format: `python -m tests.support.messaging.golden` writes them again.
"""

import json
from pathlib import Path

from messaging.wire_format.codec import PAYLOADS, Message, encode
from tests.support.messaging.samples import SAMPLES, ULID_SAMPLE

GOLDEN_FILE = Path(__file__).with_name("golden_messages.json")
AT_UTC = 1_800_000_000


def golden_messages() -> dict[str, Message]:
    """A message of every payload type, and a batch of three of every type that is batched."""
    messages = {kind: Message(ULID_SAMPLE, "s1", AT_UTC, report) for kind, report in SAMPLES.items()}
    for kind, row in PAYLOADS.items():
        if row.max_reports > 1:
            report = SAMPLES[kind]
            other = report.model_copy(update={"camera": "south", "class_name": "pothole"})
            messages[f"{kind} batch"] = Message(ULID_SAMPLE, "s1", AT_UTC, report, (other, report))
    return messages


def golden_bytes() -> dict[str, bytes]:
    """The committed bytes by the names of `golden_messages`."""
    return {name: bytes.fromhex(digits) for name, digits in json.loads(GOLDEN_FILE.read_text()).items()}


if __name__ == "__main__":
    written = {name: encode(message).hex() for name, message in golden_messages().items()}
    GOLDEN_FILE.write_text(json.dumps(written, indent=1) + "\n")
