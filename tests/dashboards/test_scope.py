"""The scope of the pages: read from an address, and kept in every link."""

import pytest

from dashboards.scope import Scope


@pytest.mark.parametrize(
    ("query", "scope", "case"),
    [
        ({}, Scope("", "24h"), "nothing chosen"),
        ({"group": "harbour", "range": "7d"}, Scope("harbour", "7d"), "both"),
        ({"range": "9y"}, Scope("", "24h"), "a range that is not known"),
        ({"group": "x" * 90}, Scope("x" * 40, "24h"), "a group that no site can have"),
    ],
)
def test_a_scope_is_read_from_a_query(query: dict[str, str], scope: Scope, case: str) -> None:
    assert Scope.of_query(query) == scope, case


def test_a_link_keeps_the_scope_and_leaves_the_defaults_out() -> None:
    assert Scope().link() == "/"
    assert Scope().link("sites", "north") == "/sites/north"
    assert Scope("harbour", "7d").link("hazards", status="open") == (
        "/hazards?status=open&group=harbour&range=7d"
    )


def test_what_is_in_a_path_cannot_become_another_address() -> None:
    assert Scope().link("sites", "../x?a=b&c#d\u202e") == "/sites/..%2Fx%3Fa%3Db%26c%23d%E2%80%AE"


def test_a_time_range_begins_on_a_whole_minute() -> None:
    assert Scope("", "1h").since(1_800_000_059.0) == 1_800_000_000 - 3600


def test_another_scope_keeps_the_page_and_what_is_chosen_there() -> None:
    address = "/campaigns/new?mode=fire.night&count=40&range=7d"
    assert Scope("harbour", "1h").same_page(address) == (
        "/campaigns/new?mode=fire.night&count=40&group=harbour&range=1h"
    )
    assert Scope().same_page("/sites/a%2Fb?group=x") == "/sites/a%2Fb"
    assert Scope("harbour").same_page("/") == "/?group=harbour"
