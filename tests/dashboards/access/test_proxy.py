"""Login by a header of a proxy in front of the page, and what the page believes of such proxies."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from dashboards.access.settings import AccessSettings
from messaging.access_resources import NewUser, UserRole
from tests.dashboards.access.conftest import PASSWORD, Page, page_over
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.browser import Browser

PUBLIC = "https://blindspot.city.example"
PROXY = "10.0.0.1"
CLIENT = {"client_id": "b", "client_secret_file": "s"}


@pytest.fixture
def page(cloud: FilledCloud) -> Iterator[Page]:
    settings = AccessSettings.model_validate(
        {"public_url": PUBLIC, "proxies": [PROXY], "trusted_header": {"create": "viewer"}}
    )
    for one in page_over(cloud, settings=settings):
        with Browser(one.app, one.runner, at=PUBLIC, address=PROXY) as browser:
            one.browser = browser
            yield one


def test_the_proxys_name_logs_in_without_a_form_and_adds_the_user(page: Page) -> None:
    first = page.browser.get("/sites/a", X_Forwarded_User="hal")
    second = page.browser.get(first.headers["location"], X_Forwarded_User="hal")
    third = page.browser.get(second.headers["location"], X_Forwarded_User="hal")
    assert (third.status_code, third.headers["location"]) == (303, "/sites/a")
    assert page.browser.get("/", X_Forwarded_User="hal").text == "hal is viewer"
    assert page.cloud.accounts.user("hal").password_hash == ""


@pytest.mark.parametrize("path", ["/", "/login", "/login/proxy", "/login/style.css"])
def test_the_header_from_elsewhere_is_refused(
    page: Page, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Browser(page.app, page.runner, at=PUBLIC, address="10.0.0.2") as browser:
        answer = browser.get(path, X_Forwarded_User="one-admin")
        assert (answer.status_code, "configured proxies alone" in answer.text) == (403, True)
        assert browser.cookies == {}
    assert "from 10.0.0.2 was refused" in caplog.text


def test_another_person_at_the_same_browser_does_not_go_on_with_the_session(page: Page) -> None:
    page.browser.get("/login/proxy", X_Forwarded_User="hal")
    assert page.browser.get("/", X_Forwarded_User="hal").status_code == 200
    assert page.browser.get("/", X_Forwarded_User="one-viewer").status_code == 303
    opened = page.browser.websocket("/_nicegui_ws", **{"origin": PUBLIC, "x-forwarded-user": "one-viewer"})
    assert opened == "websocket.close"


def test_without_the_header_the_form_is_there(page: Page) -> None:
    assert page.browser.get("/login/proxy").headers["location"] == "/login?next=%2F"
    assert page.browser.log_in("one-viewer", PASSWORD).status_code == 303


def test_failed_logins_are_counted_by_the_address_that_a_configured_proxy_states(
    page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    page.cloud.accounts.add_user(NewUser(name="ida", role=UserRole.VIEWER, password=PASSWORD))
    page.browser.fill_in("/login", {"name": "ida", "password": "wrong"}, X_Forwarded_For="6.6.6.6, 10.9.9.9")
    assert "a login as 'ida' from 10.9.9.9 failed" in caplog.text
    with Browser(page.app, page.runner, at=PUBLIC, address="10.0.0.2") as browser:
        browser.fill_in("/login", {"name": "ida", "password": "wrong"}, X_Forwarded_For="10.9.9.9")
    assert "a login as 'ida' from 10.0.0.2 failed" in caplog.text


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"trusted_header": {}}, "set proxies"),
        ({"proxies": ["proxy.example"]}, "proxy.example"),
        ({"public_url": "https://a.example/page"}, "give scheme and host alone"),
        ({"public_url": "a.example"}, "give scheme and host alone"),
        ({"oidc": {"issuer": "http://a.example", "client_id": "b", "client_secret_file": "s"}}, "https://"),
        (
            {"oidc": {"issuer": "https://a.example", "client_id": "b", "client_secret_file": "s"}},
            "public_url",
        ),
        ({"trusted_header": {"header": "X: y"}, "proxies": ["::1"]}, "header"),
        ({"ldap": {}}, "ldap"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        AccessSettings.model_validate(values)
