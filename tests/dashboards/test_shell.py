"""The navigation marks the page that is open and keeps the scope."""

import re

from dashboards.page_list import NAVIGATION, PAGES
from dashboards.scope import Scope
from dashboards.shell import navigation_markup


def test_the_line_of_the_open_page_is_marked_also_below_it() -> None:
    markup = navigation_markup(NAVIGATION, "/sites/north", Scope())
    assert re.findall(r'href="([^"]+)" aria-current="page"', markup) == ["/sites"]


def test_every_line_leads_to_a_page_in_the_same_scope() -> None:
    markup = navigation_markup(NAVIGATION, "/", Scope("harbour"))
    addresses = re.findall(r'href="([^"]+)"', markup)
    assert {address.removesuffix("?group=harbour") for address in addresses} <= {page.path for page in PAGES}
    assert all(address.endswith("?group=harbour") for address in addresses)
