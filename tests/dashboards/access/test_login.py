"""Login by name and password, logout, change of password, and the link that the page prints."""

import logging

import httpx
import pytest
from starlette.requests import HTTPConnection

from dashboards.access.sessions import IDLE_S, SESSION_S
from dashboards.errors import LoginRefused, SessionEnded
from messaging.access import login_limits
from messaging.access.login_limits import FREE_FAILURES
from messaging.access_resources import NewUser, UserChange, UserRole
from tests.dashboards.access.conftest import PASSWORD, Page
from tests.support.dashboards.browser import PAGE, Browser


def test_a_browser_without_a_session_is_led_to_the_login_and_back_to_where_it_was(page: Page) -> None:
    sent_away = page.browser.get("/sites/north?group=a&range=24h")
    assert (sent_away.status_code, sent_away.headers["location"]) == (
        303,
        "/login?next=%2Fsites%2Fnorth%3Fgroup%3Da%26range%3D24h",
    )
    back = page.browser.fill_in(sent_away.headers["location"], {"name": "one-viewer", "password": PASSWORD})
    assert (back.status_code, back.headers["location"]) == (303, "/sites/north?group=a&range=24h")
    assert page.browser.get("/").text == "one-viewer is viewer"


def test_what_is_no_page_is_answered_with_401(page: Page) -> None:
    answer = page.browser.get("/", Accept="image/jpeg")
    assert (answer.status_code, answer.text) == (401, "log in first")


def test_the_browser_gets_an_identifier_that_scripts_cannot_read_and_never_the_token(page: Page) -> None:
    answer = page.browser.log_in("one-viewer", PASSWORD)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("blindspot_session_8751=")
    assert "; HttpOnly; Path=/; SameSite=lax" in cookie
    assert "bs_" not in str(answer.headers)


def test_with_tls_the_cookie_is_for_this_host_and_encrypted_connections_alone(page: Page) -> None:
    with Browser(page.app, page.runner, at="https://blindspot.city") as browser:
        cookie = browser.log_in("one-viewer", PASSWORD).headers["set-cookie"]
    assert cookie.startswith("__Host-blindspot_session=")
    assert cookie.endswith("; Secure")


@pytest.mark.parametrize("name", ["one-viewer", "nobody", "", "x" * 500, "<script>", "\u202eana", "👁"])
def test_a_wrong_login_is_one_sentence_and_no_session(page: Page, name: str) -> None:
    answer = page.browser.log_in(name, "wrong wrong wrong")
    assert answer.status_code == 401
    assert '<p class="fault" role="alert">name or password is wrong</p>' in answer.text
    assert "<script>" not in answer.text
    assert page.browser.get("/").status_code == 303


def test_failed_logins_of_one_browser_do_not_keep_others_out(
    page: Page, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_limits, "FIRST_WAIT_S", 60.0)  # a busy machine needs seconds for a login
    with Browser(page.app, page.runner, address="10.0.0.66") as attacker:
        for n in range(FREE_FAILURES + 1):
            assert attacker.log_in(f"guess-{n}", "wrong wrong wrong").status_code == 401
        refused = attacker.log_in("one-viewer", PASSWORD)
    assert refused.status_code == 429
    assert "too many failed logins; try again in" in refused.text
    assert "from 10.0.0.66 failed" in caplog.text
    assert page.browser.log_in("one-viewer", PASSWORD).status_code == 303


def test_a_client_without_the_data_folders_token_cannot_state_another_address(
    page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    url = page.cloud.folder.address.read_text().split('"')[3]
    body = {"name": "nobody-else", "password": "wrong"}
    headers = {"Blindspot-Client": "10.9.9.9", "Authorization": "Bearer bs_wrong_token"}
    assert httpx.post(f"{url}/api/v1/sessions", json=body, headers=headers).status_code == 401
    assert "from 127.0.0.1 failed" in caplog.text


def test_a_form_of_another_browser_or_without_a_token_is_refused(page: Page) -> None:
    fields = {"name": "one-viewer", "password": PASSWORD, "form_token": "0" * 64}
    assert page.browser.post("/login", fields).status_code == 403
    page.browser.get("/login")
    assert page.browser.post("/login", fields).status_code == 403
    page.browser.log_in("one-viewer", PASSWORD)
    for path in ("/logout", "/password"):
        answer = page.browser.post(path, {"form_token": "0" * 64})
        assert (answer.status_code, "send it once more" in answer.text) == (403, True)
    assert page.browser.get("/").status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"a" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"name=\xff%ff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=%d" % n for n in range(99)), "application/x-www-form-urlencoded", 400),
    ],
)
def test_what_is_no_form_of_ours_is_one_sentence(page: Page, body: bytes, kind: str, status: int) -> None:
    headers = {"Origin": PAGE, "Content-Type": kind}
    answer = page.runner.run(page.browser._http.post("/login", content=body, headers=headers))
    assert answer.status_code == status
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/login", "/logout",
     "/\t/evil.example", "/a b", "/ü", "", "x", "/" + "a" * 3_000],
)  # fmt: skip
def test_the_login_leads_only_to_a_path_of_this_page(page: Page, wanted: str) -> None:
    page.browser.get("/login")
    answer = page.browser.fill_in("/login", {"name": "one-viewer", "password": PASSWORD, "next": wanted})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_logout_ends_the_session_here_and_at_the_cloud(page: Page) -> None:
    page.browser.log_in("one-viewer", PASSWORD)
    key = page.browser.cookies["blindspot_session_8751"]
    session = page.access.sessions.find(key)
    assert session is not None
    bearer = session.bearer
    assert page.browser.fill_in("/logout", {}).headers["location"] == "/login"
    assert page.cloud.accounts.recognise(f"Bearer {bearer}") is None
    assert page.access.sessions.find(key) is None
    assert page.browser.get("/").status_code == 303


def test_a_changed_password_keeps_this_session_and_ends_all_others(page: Page) -> None:
    page.cloud.accounts.add_user(NewUser(name="cho", role=UserRole.OPERATOR, password=PASSWORD))
    new = "another red bridge 8"
    page.browser.log_in("cho", PASSWORD)
    wrong = page.browser.fill_in("/password", {"present": "no", "new": new, "again": new})
    assert (wrong.status_code, "name or password is wrong" in wrong.text) == (401, True)
    for given, again, why in ((new, "x", "not the same twice"), ("short", "short", "at least 12 characters"),
                              ("cho cho cho 12", "cho cho cho 12", "holds the user")):  # fmt: skip
        refused = page.browser.fill_in("/password", {"present": PASSWORD, "new": given, "again": again})
        assert why in refused.text
    with Browser(page.app, page.runner) as elsewhere:
        elsewhere.log_in("cho", PASSWORD)
        done = page.browser.fill_in("/password", {"present": PASSWORD, "new": new, "again": new})
        assert done.status_code == 303
        assert page.browser.get("/").text == "cho is operator"
        assert elsewhere.get("/").status_code == 401
        assert elsewhere.log_in("cho", PASSWORD).status_code == 401


def test_the_printed_link_logs_in_with_the_data_folders_authority_until_the_page_stops(page: Page) -> None:
    link = page.access.link(PAGE)
    for _ in range(2):
        with Browser(page.app, page.runner) as browser:
            answer = browser.get(f"{link}&next=/sites/a")
            assert (answer.status_code, answer.headers["location"]) == (303, "/sites/a")
            assert browser.get("/").text.endswith("@data-folder is admin")
            no_user = browser.fill_in("/logout", {}).headers["location"], browser.get("/").status_code
            assert no_user == ("/login", 303)


def test_the_link_shows_no_password_to_change(page: Page) -> None:
    page.browser.get(page.access.link(PAGE))
    answer = page.browser.get("/password")
    assert (answer.status_code, "by the page's own link" in answer.text.replace("&#x27;", "'")) == (409, True)


def test_guesses_of_the_link_are_refused_and_slowed_down(
    page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(FREE_FAILURES + 1):
        assert page.browser.get("/login?token=guess").status_code == 403
    assert page.browser.get(page.access.link(PAGE)).status_code == 429
    assert page.browser.get("/").status_code == 303
    assert "guess" not in caplog.text


@pytest.mark.parametrize(
    ("open_s", "closed_s", "lives"),
    [(0.0, IDLE_S - 1, True), (0.0, IDLE_S + 1, False), (SESSION_S, 0.0, False)],
)
def test_a_session_ends_an_hour_after_its_last_page_and_twelve_after_its_login(
    page: Page, open_s: float, closed_s: float, lives: bool
) -> None:
    page.browser.log_in("one-viewer", PASSWORD)
    end = page.now[0] + open_s
    while page.now[0] < end:
        page.now[0] = min(page.now[0] + 600.0, end)
        page.browser.websocket("/_nicegui_ws", origin=PAGE)
    page.now[0] += closed_s
    assert (page.browser.get("/").status_code == 200) is lives


def test_a_session_that_the_cloud_ended_goes_on_after_the_same_person_logs_in_again(page: Page) -> None:
    page.cloud.accounts.add_user(NewUser(name="eve", role=UserRole.VIEWER, password=PASSWORD))
    page.browser.log_in("eve", PASSWORD)
    session = page.access.sessions.find(page.browser.cookies["blindspot_session_8751"])
    page.cloud.accounts.change_user("eve", UserChange(role=UserRole.OPERATOR))
    assert page.browser.get("/").status_code == 401  # the cloud refuses it, which is noticed here
    assert page.browser.get("/").headers["location"] == "/login"
    assert page.browser.websocket("/_nicegui_ws", origin=PAGE) == "websocket.accept"
    assert 'value="eve"' in page.browser.get("/login").text
    page.browser.log_in("one-viewer", PASSWORD)
    assert session is not None
    assert session.bearer is None
    with Browser(page.app, page.runner) as other:
        other._http.cookies.set("blindspot_session_8751", session.key, domain="127.0.0.1")
        other.log_in("eve", PASSWORD)
        assert page.access.viewer(session).user.role is UserRole.OPERATOR


def test_an_open_page_goes_on_by_the_password_of_its_user_unless_that_person_logged_out(page: Page) -> None:
    page.cloud.accounts.add_user(NewUser(name="hal", role=UserRole.VIEWER, password=PASSWORD))
    page.browser.log_in("hal", PASSWORD)
    session = page.access.sessions.find(page.browser.cookies["blindspot_session_8751"])
    assert session is not None
    scope = {"type": "http", "headers": [], "client": ("10.9.9.9", 1), "state": {"session": session}}
    opened = HTTPConnection(scope)
    page.now[0] += SESSION_S
    with pytest.raises(LoginRefused, match="name or password is wrong"):
        page.runner.run(page.access.renew(opened, "another long bridge"))
    with pytest.raises(SessionEnded):
        page.access.viewer(session)
    page.runner.run(page.access.renew(opened, PASSWORD))
    assert page.access.viewer(session).user.name == "hal"
    page.browser.fill_in("/logout", {})
    with pytest.raises(SessionEnded):
        page.runner.run(page.access.renew(opened, PASSWORD))
    assert session.bearer is None


def test_a_change_of_a_users_limit_ends_the_sessions_that_know_the_former_one(page: Page) -> None:
    page.cloud.accounts.add_user(NewUser(name="fay", role=UserRole.VIEWER, password=PASSWORD))
    page.browser.log_in("fay", PASSWORD)
    page.cloud.accounts.change_user("fay", UserChange(groups=("uphill",)))
    assert page.browser.get("/").status_code == 401
