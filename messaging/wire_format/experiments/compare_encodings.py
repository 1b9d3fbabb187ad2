"""Bytes of the same messages in the wire format and in UPER, protobuf, CBOR and JSON.

`python -m messaging.wire_format.experiments.compare_encodings` prints a table and writes the figures.
"""

import argparse
import datetime
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

from messaging.figures import Figure, write_figures
from messaging.wire_format.codec import Message, encode
from messaging.wire_format.experiments.busy_minute import busy_minute
from messaging.wire_format.experiments.other_formats import OTHER_FORMATS
from messaging.wire_format.inspection import cloud_event

COMMAND = "python -m messaging.wire_format.experiments.compare_encodings"


def json_bytes(message: Message) -> bytes:
    """CloudEvents JSON without white space."""
    return json.dumps(cloud_event(message), separators=(",", ":")).encode()


FORMATS: dict[str, Callable[[Message], bytes]] = {
    "wire_format": encode,
    **OTHER_FORMATS,
    "json_deflate": lambda message: zlib.compress(json_bytes(message), 9),
    "json": json_bytes,
}


def measure() -> dict[str, dict[str, int]]:
    """Length in bytes by message and format."""
    messages = busy_minute()
    return {
        name: {kind: len(write(message)) for kind, write in FORMATS.items()}
        for name, message in messages.items()
    }


def figures_of(lengths: dict[str, dict[str, int]]) -> list[Figure]:
    """One figure per message and format; the sum of the wire format must be below every other sum."""
    figures = [
        Figure(f"{name.replace(' x ', '_x')}_{kind}", value, "bytes")
        for name, row in lengths.items()
        for kind, value in row.items()
    ]
    sums = {kind: sum(row[kind] for row in lengths.values()) for kind in FORMATS}
    smallest_other = min(value for kind, value in sums.items() if kind != "wire_format")
    figures += [
        Figure(f"sum_{kind}", value, "bytes", f"< {smallest_other}" if kind == "wire_format" else None)
        for kind, value in sums.items()
    ]
    return figures


def main() -> None:
    """Print the table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, prog=COMMAND)
    parser.add_argument("--out", type=Path, default=Path("out/figures/wire_format.json"))
    out: Path = parser.parse_args().out
    lengths = measure()
    rows = [["message", *FORMATS], *([name, *map(str, row.values())] for name, row in lengths.items())]
    for row in rows:
        sys.stdout.write("| " + " | ".join(row) + " |\n")
    command = f"{COMMAND} --out {out}"
    write_figures(out, figures_of(lengths), command=command, now=datetime.datetime.now(tz=datetime.UTC))


if __name__ == "__main__":
    main()
