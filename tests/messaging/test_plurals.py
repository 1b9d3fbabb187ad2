import pytest

from messaging.plurals import quantity, row_counts


@pytest.mark.parametrize(
    ("n", "shown"), [(0, "0 sites"), (1, "1 site"), (2, "2 sites"), (12_345, "12,345 sites")]
)
def test_a_quantity_has_its_noun_in_singular_or_plural(n: int, shown: str) -> None:
    assert quantity(n, "site") == shown


def test_tables_without_rows_are_left_out_of_a_removal() -> None:
    rows = {"heartbeats": 1, "evidence_items": 1_200, "hazards": 0}
    assert row_counts(rows) == "1 heartbeat, 1,200 evidence items"
    assert row_counts({"hazards": 0}) == "nothing"
