"""docs/wire-format.md is true: a reader made from the page alone reads every golden message."""

import binascii
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from messaging.wire_format.codec import PAYLOADS, SCHEMA_DIGESTS, SCHEMAS, encode
from messaging.wire_format.experiments.busy_minute import busy_minute
from messaging.wire_format.schema_digest import SHARED_LINES
from tests.support.messaging.golden import golden_bytes, golden_messages
from tests.support.messaging.independent_reader import SchemaReader

PAGE = (Path(__file__).parents[3] / "docs" / "wire-format.md").read_text(encoding="utf-8")
MESSAGES, BYTES = golden_messages(), golden_bytes()


def _section(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def _schemas() -> dict[str, str]:
    """The schema texts as the page gives them, by kind."""
    shared, *kinds = re.findall(r"```\n(.*?)```", _section("Schemas"), re.DOTALL)
    return {re.findall(r"kind \d+: (\w+)", text)[0]: shared + text for text in kinds}


def _written(value: Any) -> Any:
    """A report in JSON values, booleans by their names in the schema."""
    if isinstance(value, dict):
        return {name: _written(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_written(part) for part in value]
    return str(value).lower() if isinstance(value, bool) else value


@pytest.mark.parametrize("name", sorted(BYTES))
def test_a_reader_made_from_the_page_reads_every_golden_message(name: str) -> None:
    data, expected = BYTES[name], MESSAGES[name]
    schema = _schemas()[expected.kind]
    assert int.from_bytes(data[1:3], "little") == binascii.crc_hqx(data[3:], 0)
    assert data[3:6] == hashlib.sha256(schema.encode("ascii")).digest()[:3]
    message = SchemaReader(schema, data).message()
    assert (message["id"], message["site"], message["time"]) == (expected.id, expected.site, expected.at_utc)
    assert message["reports"] == [_written(report.model_dump(mode="json")) for report in expected.reports]


def test_the_page_has_the_schema_and_the_digest_of_every_kind() -> None:
    assert _schemas() == SCHEMAS
    digests = dict(re.findall(r"`(\w+)`, schema digest `(\w+)`", _section("Schemas")))
    assert digests == {kind: SCHEMA_DIGESTS[kind].hex() for kind in PAYLOADS}
    assert SCHEMAS["hazard"].startswith("\n".join(SHARED_LINES))


def test_the_digits_of_the_worked_message_give_its_bytes() -> None:
    section = _section("One message, byte by byte")
    digits = [
        (int(digit), int(base) ** int(power or 1))
        for digit, base, power in re.findall(r"^\| (\d+) \| (\d+)(?:\^(\d+))? \|", section, re.MULTILINE)
    ]
    number = 0
    for digit, radix in reversed(digits):
        number = number * radix + digit
    data = bytes.fromhex(re.findall(r"```\n(.*?)```", section, re.DOTALL)[0])
    assert data == BYTES["verdict"]
    assert number == int.from_bytes(data[6:], "little")


def test_the_table_of_bytes_has_the_lengths_that_are_encoded() -> None:
    rows = re.findall(r"^\| (\w+ x \d+) \| \*\*(\d+)\*\*", PAGE, re.MULTILINE)
    assert {name: int(length) for name, length in rows} == {
        name: len(encode(message)) for name, message in busy_minute().items()
    }
