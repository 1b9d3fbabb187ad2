"""Requests that other sites make a browser send are refused; what the page may do is limited."""

import pytest

from tests.dashboards.access.conftest import PASSWORD, Page
from tests.support.dashboards.browser import PAGE

OTHER_SITES = (
    "https://evil.example",
    "http://127.0.0.1:9999",
    "http://localhost:8751",
    "null",
    "http://[",
    "",
)


@pytest.mark.parametrize("origin", OTHER_SITES)
def test_a_form_that_another_site_sends_is_refused_with_the_right_token_too(page: Page, origin: str) -> None:
    page.browser.log_in("one-viewer", PASSWORD)
    assert page.browser.fill_in("/logout", {}, Origin=origin).status_code == 403
    assert page.browser.get("/").status_code == 200


def test_a_change_without_an_origin_is_refused(page: Page) -> None:
    answer = page.runner.run(page.browser._http.post("/login", data={"name": "a"}))
    assert answer.status_code == 403
    assert answer.text == "this request comes from another site than the page; open the page itself"


@pytest.mark.parametrize("origin", OTHER_SITES)
def test_a_websocket_that_another_site_opens_is_refused(page: Page, origin: str) -> None:
    page.browser.log_in("one-viewer", PASSWORD)
    assert page.browser.websocket("/_nicegui_ws", origin=origin) == "websocket.close"
    assert page.browser.websocket("/_nicegui_ws") == "websocket.close"
    assert page.browser.websocket("/_nicegui_ws", origin=PAGE) == "websocket.accept"


def test_a_websocket_without_a_session_is_refused(page: Page) -> None:
    assert page.browser.websocket("/_nicegui_ws", origin=PAGE) == "websocket.close"


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),  # an image of ours on another site
        ("same-site", "cors", 403),  # another program on this machine
        ("cross-site", "navigate", 200),  # a link to us
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),  # typed
    ],
)
def test_what_other_sites_embed_is_refused_and_their_links_are_followed(
    page: Page, site: str, mode: str, status: int
) -> None:
    page.browser.log_in("one-viewer", PASSWORD)
    answer = page.browser.get("/", Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)
    assert answer.status_code == status


def test_every_answer_limits_what_the_page_may_do(page: Page) -> None:
    for answer in (page.browser.get("/login"), page.browser.get("/"), page.browser.get("/", Accept="*/*")):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
    login = page.browser.get("/login").headers
    assert login["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    assert login["cache-control"] == "no-store"


def test_the_style_of_the_login_page_is_open_and_everything_else_is_not(page: Page) -> None:
    assert page.browser.get("/login/style.css").headers["content-type"].startswith("text/css")
    for path in ("/login/../", "/sites/a", "/_nicegui/3/static/nicegui.js", "/logout", "/password"):
        assert page.browser.get(path, Accept="*/*").status_code == 401
