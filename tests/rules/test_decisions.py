"""The decision records: numbered once each, and the number in the title is that of the file."""

import re
from collections import Counter
from pathlib import Path

RECORDS = sorted((Path(__file__).parents[2] / "docs" / "decisions").glob("[0-9]*.md"))


def test_no_two_records_have_the_same_number() -> None:
    counted = Counter(path.name[:4] for path in RECORDS)
    assert len(RECORDS) > 50
    assert [number for number, count in counted.items() if count > 1] == []


def test_every_record_has_its_number_and_date_at_the_top() -> None:
    wrong = []
    for path in RECORDS:
        title, _, rest = path.read_text().partition("\n")
        if not title.startswith(f"# {path.name[:4]}: ") or not re.match(
            r"\nDate: \d+ \w+ \d{4}\. Status: ", rest
        ):
            wrong.append(path.name)
    assert wrong == []
