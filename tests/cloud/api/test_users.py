"""Users, tokens and the audit log over the REST API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from tests.support.cloud.filled_cloud import FilledCloud

PASSWORD = "correct horse battery"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[FilledCloud]:
    found = FilledCloud(tmp_path / "data")
    found.reports.add_site("north")
    yield found
    found.close_store()


class Api:
    def __init__(self, cloud: FilledCloud) -> None:
        self._client = TestClient(cloud.app, base_url="http://test/api/v1/")
        self.token = cloud.folder.token.read_text()

    def __call__(
        self, method: str, path: str, body: Any = None, *, token: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return self._client.request(method, path, json=body, headers=headers)


@pytest.fixture
def api(cloud: FilledCloud) -> Api:
    return Api(cloud)


def add(api: Api, name: str, role: str, **more: Any) -> None:
    body = {"name": name, "role": role, "password": PASSWORD, **more}
    assert api("POST", "users", body).status_code == 201


def log_in(api: Api, name: str, password: str = PASSWORD) -> str:
    answer = api("POST", "sessions", {"name": name, "password": password}, token="none")
    assert answer.status_code == 201
    token: str = answer.json()["token"]
    return token


def test_a_user_logs_in_reads_who_it_is_and_logs_out(api: Api) -> None:
    add(api, "ana", "trainer")
    token = log_in(api, "ana")
    assert api("GET", "me", token=token).json()["role"] == "trainer"
    assert api("DELETE", "me/session", token=token).status_code == 204
    assert api("GET", "me", token=token).status_code == 401


def test_a_wrong_password_is_401_and_too_many_are_429_with_the_seconds_to_wait(api: Api) -> None:
    add(api, "ana", "viewer")
    body = {"name": "ana", "password": "wrong"}
    for _ in range(6):
        answer = api("POST", "sessions", body, token="none")
        assert (answer.status_code, answer.json()["detail"]) == (401, "name or password is wrong")
    answer = api("POST", "sessions", body, token="none")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_user_changes_its_own_password_with_the_present_one(api: Api) -> None:
    add(api, "ana", "viewer")
    token = log_in(api, "ana")
    wrong = {"present": "no", "new": "another horse battery"}
    assert api("POST", "me/password", wrong, token=token).status_code == 401
    right = {"present": PASSWORD, "new": "another horse battery"}
    assert api("POST", "me/password", right, token=token).status_code == 204
    assert api("GET", "me", token=token).status_code == 401
    assert log_in(api, "ana", "another horse battery")


def test_an_api_token_is_shown_once_and_works_until_it_is_revoked(api: Api) -> None:
    add(api, "ana", "operator")
    token = log_in(api, "ana")
    made = api("POST", "tokens", {"label": "map", "role": "viewer"}, token=token).json()
    listed = api("GET", "tokens", token=token).json()["items"]
    assert [(one["id"], one["label"], one["token"]) for one in listed] == [(made["id"], "map", None)]
    assert api("GET", "me", token=made["token"]).json()["role"] == "viewer"
    assert api("POST", "sites/north/quarantine", token=made["token"]).status_code == 403
    assert api("DELETE", f"tokens/{made['id']}", token=token).status_code == 204
    assert api("GET", "me", token=made["token"]).status_code == 401


def test_an_admin_makes_tokens_of_any_user_and_nobody_else_does(api: Api) -> None:
    add(api, "ana", "operator")
    add(api, "bo", "viewer")
    made = api("POST", "tokens", {"label": "ci", "user": "ana"}).json()
    assert (made["user"], made["role"]) == ("ana", "operator")
    refused = api("POST", "tokens", {"label": "ci", "user": "ana"}, token=log_in(api, "bo"))
    assert refused.status_code == 400
    assert refused.json()["detail"] == "bo can make tokens of bo alone; leave the user out"


def test_the_data_folder_s_token_is_no_user_and_has_no_api_token(api: Api) -> None:
    refused = api("POST", "tokens", {"label": "ci"})
    assert refused.status_code == 404
    assert "there is no user 'data-folder'" in refused.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Ana", "role": "viewer", "password": PASSWORD},
        {"name": "ana", "role": "king", "password": PASSWORD},
        {"name": "ana", "role": "viewer", "password": "short"},
        {"name": "ana", "role": "viewer", "password": PASSWORD, "groups": ["Up Hill"]},
        {"name": "ana\u202e", "role": "viewer", "password": PASSWORD},
    ],
)
def test_a_user_with_a_wrong_form_is_refused_in_one_sentence(api: Api, body: dict[str, Any]) -> None:
    refused = api("POST", "users", body)
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("body.")
    assert api("GET", "users").json()["items"] == []


def test_the_audit_log_has_who_what_before_and_after(api: Api) -> None:
    add(api, "ana", "operator")
    token = log_in(api, "ana")
    api("POST", "sites/north/quarantine", token=token)
    entry = api("GET", "audit").json()["items"][0]
    assert (entry["user"], entry["action"], entry["object"], entry["status"]) == (
        *("ana", "POST /sites/{site}/quarantine", "site north", 200),
    )
    assert (entry["before"]["quarantined"], entry["after"]["quarantined"]) == (False, True)


def test_a_refused_change_is_in_the_audit_log_too(api: Api) -> None:
    add(api, "ana", "viewer")
    api("POST", "sites/north/revoke", token=log_in(api, "ana"))
    entry = api("GET", "audit?user=ana").json()["items"][0]
    assert (entry["action"], entry["status"]) == ("POST /sites/{site}/revoke", 403)
    assert entry["before"] == entry["after"]


def test_a_change_that_fails_in_the_cloud_is_in_the_audit_log_too(
    api: Api, cloud: FilledCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(site: str, quarantined: bool) -> None:
        raise RuntimeError(site)

    monkeypatch.setattr(cloud.reports, "quarantine_site", failing)
    with pytest.raises(RuntimeError):
        api("POST", "sites/north/quarantine")
    entry = api("GET", "audit").json()["items"][0]
    assert (entry["action"], entry["status"]) == ("POST /sites/{site}/quarantine", 500)


def test_no_password_and_no_token_is_in_the_audit_log(api: Api) -> None:
    add(api, "ana", "trainer")
    token = log_in(api, "ana")
    made = api("POST", "tokens", {"label": "ci"}, token=token).json()
    api("PATCH", "users/ana", {"password": "another horse battery"})
    text = api("GET", "audit").text
    assert "ci" in text
    for secret in (PASSWORD, "another horse battery", token, made["token"], "argon2"):
        assert secret not in text


def test_a_whole_token_in_an_address_is_in_the_audit_log_by_its_id_alone(api: Api) -> None:
    add(api, "ana", "operator")
    token = log_in(api, "ana")
    made = api("POST", "tokens", {"label": "ci"}, token=token).json()
    assert api("DELETE", f"tokens/{made['token']}", token=token).status_code == 404
    entry = api("GET", "audit").json()["items"][0]
    assert (entry["object"], entry["before"], entry["after"]) == (
        f"token {made['id']}",
        *[entry["before"]] * 2,
    )
    assert (entry["before"]["label"], entry["before"]["user"]) == ("ci", "ana")
    assert made["token"].rpartition("_")[2] not in api("GET", "audit").text


def test_that_a_password_was_changed_is_in_the_audit_log(api: Api) -> None:
    add(api, "ana", "operator")
    api("PATCH", "users/ana", {"password": "another horse battery"})
    changed = api("GET", "audit").json()["items"][0]
    assert changed["after"] == {**changed["before"], "password": "changed"}
    api("PATCH", "users/ana", {"role": "trainer"})
    assert "password" not in api("GET", "audit").json()["items"][0]["after"]


def test_tokens_and_logins_that_are_refused_are_counted_and_in_the_audit_log(
    api: Api, cloud: FilledCloud
) -> None:
    add(api, "ana", "trainer")
    token = log_in(api, "ana")
    for sent in ("nonsense", token[:-4] + "0000"):
        assert api("GET", "me", token=sent).status_code == 401
    api("PATCH", "users/ana", {"disabled": True})
    for name in ("ana", "nobody"):
        assert api("POST", "sessions", {"name": name, "password": "wrong"}).status_code == 401
    cloud.refusals.step()
    entries = api("GET", "audit?user=not recognised").json()["items"]
    assert [(one["action"], one["object"], one["after"]["reason"]) for one in reversed(entries)] == [
        ("send a token", "api", "unknown or revoked"),
        ("send a token", "user ana", "wrong secret"),
        ("log in", "user ana", "wrong name or password"),
        ("log in", "users", "wrong name or password"),
    ]
    assert {(one["status"], one["address"]) for one in entries} == {(401, "testclient")}
    metrics = cloud.services.metrics.exposition().decode()
    assert 'credentials_refused_total{interface="api",reason="wrong secret"} 1.0' in metrics
    assert 'credentials_refused_total{interface="login",reason="wrong name or password"} 2.0' in metrics
    assert token not in str(entries)


def test_a_request_without_a_token_shows_no_credential(api: Api, cloud: FilledCloud) -> None:
    assert TestClient(cloud.app).get("/api/v1/me").status_code == 401
    cloud.refusals.step()
    assert api("GET", "audit").json()["items"] == []


def test_audit_pages_follow_one_another_and_can_be_of_one_object(api: Api) -> None:
    for group in ("a", "b", "c"):
        api("PUT", "sites/north/group", {"group": group})
    first = api("GET", "audit?limit=2&object=site north").json()
    rest = api("GET", f"audit?limit=2&object=site north&cursor={first['next']}").json()
    groups = [entry["after"]["site_group"] for entry in (*first["items"], *rest["items"])]
    assert groups == ["c", "b", "a"]
    assert rest["next"] is None


def test_a_group_is_renamed_for_its_sites_and_users_together(api: Api, cloud: FilledCloud) -> None:
    cloud.reports.add_site("south")
    for site, group in (("north", "uphill"), ("south", "harbour")):
        cloud.reports.group_site(site, group)
    for name, groups in (("ana", ("uphill", "attic")), ("bo", ("harbour",))):
        add(api, name, "admin", groups=groups)
    sessions = {name: log_in(api, name) for name in ("ana", "bo")}
    done = api("POST", "site-groups/uphill/rename", {"name": "hill"})
    assert (done.status_code, done.json()) == (200, {"group": "hill", "sites": 1})
    assert {site.site: site.site_group for site in cloud.reports.sites()} == {
        "north": "hill",
        "south": "harbour",
    }
    assert [user.groups for user in cloud.accounts.users()] == [("attic", "hill"), ("harbour",)]
    assert api("GET", "me", token=sessions["ana"]).status_code == 401
    again = log_in(api, "ana")
    assert [site["site"] for site in api("GET", "sites", token=again).json()["items"]] == ["north"]
    assert api("GET", "me", token=sessions["bo"]).status_code == 200
    (entry,) = api("GET", "audit?object=group uphill").json()["items"]
    named = {"sites": ["north"], "users": ["ana"]}
    assert (entry["before"], entry["after"]) == ({"group": "uphill", **named}, {"group": "hill", **named})
    refused = api("POST", "site-groups/hill/rename", {"name": "harbour"})
    assert (refused.status_code, "harbour already" in refused.json()["detail"]) == (409, True)
    assert api("POST", "site-groups/none/rename", {"name": "other"}).status_code == 404
    assert api("POST", "site-groups/hill/rename", {"name": "no name"}).status_code == 422
    assert api("POST", "site-groups/hill/rename", {"name": "x"}, token=again).status_code == 403


def test_a_session_of_a_user_who_was_verified_elsewhere_is_made_with_the_data_folders_token(
    api: Api, cloud: FilledCloud
) -> None:
    add(api, "ana", "viewer")
    add(api, "boss", "admin")
    refused = api("POST", "users/ana/sessions", {}, token=log_in(api, "boss"))
    assert (refused.status_code, "data folder's token alone" in refused.json()["detail"]) == (400, True)
    made = api("POST", "users/ana/sessions", {})
    token = made.json()["token"]
    assert api("GET", "me", token=token).json()["name"] == "ana"
    changed = api("POST", "users/ana/sessions", {"role": "operator", "groups": ["uphill"]})
    assert changed.json()["user"]["role"] == "operator"
    assert api("GET", "me", token=token).status_code == 401, "a session with the former role has ended"
    assert api("GET", "me", token=changed.json()["token"]).json()["groups"] == ["uphill"]
    entries = api("GET", "audit").json()["items"]
    assert [one["action"] for one in entries][:2] == ["POST /users/{user}/sessions"] * 2
    assert token not in str(entries)


@pytest.mark.parametrize(
    ("user", "body", "status", "sentence"),
    [
        ("nobody", {}, 404, "there is no user 'nobody' here; an admin adds it"),
        ("Ana", {}, 422, "use lower-case letters"),
        ("data-folder", {"create": "viewer"}, 409, "cannot be added"),
        ("ana", {"role": "king"}, 422, "role"),
    ],
)
def test_a_verified_login_that_cannot_be_is_one_sentence(
    api: Api, user: str, body: dict[str, Any], status: int, sentence: str
) -> None:
    answer = api("POST", f"users/{user}/sessions", body)
    assert (answer.status_code, sentence in answer.json()["detail"]) == (status, True)


def test_a_user_without_a_password_is_added_by_a_verified_login_and_cannot_log_in_with_one(api: Api) -> None:
    assert api("POST", "users/hal/sessions", {"create": "viewer"}).json()["user"]["role"] == "viewer"
    for password in ("", PASSWORD):
        answer = api("POST", "sessions", {"name": "hal", "password": password}, token="none")
        assert answer.status_code == 401
    api("PATCH", "users/hal", {"disabled": True})
    assert api("POST", "users/hal/sessions", {"create": "viewer"}).status_code == 401
