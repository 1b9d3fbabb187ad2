"""Numbers and names as text, table by table."""

import pytest

from dashboards import phrases


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (5_999, "100 min"), (6_000, "2 h"),
     (72 * 3600 - 1, "72 h"), (4 * 86_400, "4 days")],
)  # fmt: skip
def test_a_duration_is_shown_in_its_largest_sensible_unit(seconds: float | None, shown: str) -> None:
    assert phrases.duration(seconds) == shown


@pytest.mark.parametrize(("then", "shown"), [(None, "never"), (88.0, "12 s ago"), (101.0, "0 s ago")])
def test_a_time_is_shown_relative_to_now_and_never_in_the_future(then: float | None, shown: str) -> None:
    assert phrases.ago(then, 100.0) == shown


def test_a_day_that_may_be_years_away_has_its_year() -> None:
    assert phrases.full_date(1_893_628_800.0) == "3 Jan 2030"


def test_a_time_of_day_has_hours_minutes_and_seconds() -> None:
    assert len(phrases.clock_time(1_800_000_000.0).split(":")) == 3


@pytest.mark.parametrize(
    ("length", "shown"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (3_240_000, "3.2 MB"), (2.5e9, "2.5 GB")],
)
def test_sizes_use_powers_of_ten(length: float, shown: str) -> None:
    assert phrases.size(length) == shown


@pytest.mark.parametrize(("fraction", "shown"), [(None, "–"), (0.0, "0 %"), (0.426, "43 %"), (1.0, "100 %")])
def test_a_fraction_is_shown_in_percent_and_a_missing_one_as_a_dash(
    fraction: float | None, shown: str
) -> None:
    assert phrases.percent(fraction) == shown


def test_identifiers_become_readable() -> None:
    assert phrases.readable("fallen_person") == "fallen person"
    assert phrases.condition("night-rain") == "night, rain"


def test_a_digest_is_shown_by_its_first_eight_characters() -> None:
    assert phrases.short("0123456789abcdef") == "01234567"
    assert phrases.short(None) == phrases.short("") == "–"
