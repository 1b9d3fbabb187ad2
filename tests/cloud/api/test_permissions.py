"""Who may do what: every route for every role, with and without a limit to site groups, over the real API."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.api.access.permissions import PERMISSIONS, READING, differences, routes_of
from messaging.access_resources import UserRole
from messaging.resources import API_PREFIX
from tests.support.figures.authorisation import (
    HIDDEN,
    ROLES,
    SESSIONS,
    Access,
    authorisation_answers,
    filled_access,
    routes,
)

ROOT = Path(__file__).parents[3]
OWN = {"POST /tokens", "DELETE /tokens/{token}", "POST /me/password", "DELETE /me/session", "POST /sessions"}


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    opened = filled_access(tmp_path_factory.mktemp("access") / "data")
    yield opened
    opened.close()


def test_every_route_that_changes_something_has_a_permission_and_no_permission_lacks_a_route(
    access: Access,
) -> None:
    found = routes_of(access.cloud.app)
    assert differences(found) == []
    assert differences([*found, ("POST", API_PREFIX + "/sites/{site}/erase")]) == ["POST /sites/{site}/erase"]
    assert differences([route for route in found if "revoke" not in route[1]]) == [
        "POST /sites/{site}/revoke"
    ]


def test_nothing_answers_without_a_token(access: Access) -> None:
    for method, path in routes(access):
        status = access.request(method, path, "wrong").status_code
        assert status == (422 if path == SESSIONS else 401), path


def test_every_role_is_refused_what_a_higher_one_may_and_nothing_else(access: Access) -> None:
    wrong = []
    for (role, limited), token in access.tokens.items():
        for method, path in routes(access):
            needed = PERMISSIONS.get((method, path.removeprefix(API_PREFIX)))
            may = needed is None or (role.includes(needed.role) and (needed.limited or not limited))
            status = access.request(method, path, token).status_code
            if (status == 403) is may or status == 401:
                wrong.append((role, limited, method, path, status))
    assert wrong == []


def test_an_answer_that_is_allowed_by_mistake_is_counted_as_a_leak(tmp_path: Path) -> None:
    mistaken = filled_access(tmp_path / "data")
    try:
        mistaken.tokens = {(UserRole.VIEWER, True): mistaken.tokens[UserRole.OPERATOR, False]}
        leaks = authorisation_answers(mistaken).leaks
    finally:
        mistaken.close()
    assert f"POST {API_PREFIX}/sites/{{site}}/quarantine by viewer of another group: 200" in leaks
    assert f"GET {API_PREFIX}/sites by viewer of another group: 200 south" in leaks
    assert f"GET {API_PREFIX}/cameras by viewer of another group: 200 south harbour" in leaks
    assert f"GET {API_PREFIX}/sites/{{site}} by viewer of another group, site south: 200" in leaks


def test_a_viewer_changes_nothing_but_its_own_account(access: Access) -> None:
    """The table by its meaning: what each role may change in addition to the one below."""
    changes = {
        role: {
            f"{m} {p}" for (m, p), needed in PERMISSIONS.items() if needed.role is role and m not in READING
        }
        for role in ROLES
    }
    assert changes[UserRole.VIEWER] == OWN
    assert changes[UserRole.OPERATOR] >= {"POST /sites/{site}/quarantine"}
    assert changes[UserRole.TRAINER] >= {"POST /campaigns", "POST /rollouts"}
    assert changes[UserRole.ADMIN] >= {"PUT /sites/{site}", "POST /sites/{site}/revoke", "POST /users"}


def test_a_limited_user_never_reads_the_name_of_another_site_or_its_cameras(access: Access) -> None:
    access.name_a_site_in_sentences()
    leaks, read = [], 0
    for role in ROLES:
        everything = ""
        for method, path in routes(access):
            if method == "GET":
                answer = access.request(method, path, access.tokens[role, True])
                everything += answer.text
                leaks += [(role, path, name) for name in HIDDEN if name in answer.text]
                read += answer.status_code == 200
        assert "north" in everything
        assert "bridge" in everything
        assert "site another site: no shadow run (another site/x), north" in everything
        assert '"another site is lost"' in everything
    assert leaks == []
    assert read > 40


def test_the_figure_of_leaks_is_zero_of_many_requests(access: Access) -> None:
    found = authorisation_answers(access)
    assert found.leaks == []
    assert found.sent > 9 * len(routes(access))


def test_the_same_reading_shows_all_sites_to_who_is_not_limited(access: Access) -> None:
    """The control: without the limit the names are there."""
    access.name_a_site_in_sentences()
    paths = ("/sites", "/cameras", "/hazards", "/failure-modes", "/ledger", "/campaigns", "/rollouts")
    for path in paths:
        text = access.request("GET", API_PREFIX + path, access.tokens[UserRole.VIEWER, False]).text
        assert any(name in text for name in HIDDEN), path


def test_a_limited_operator_quarantines_its_own_site_and_does_not_know_another(access: Access) -> None:
    token = access.tokens[UserRole.OPERATOR, True]
    path = API_PREFIX + "/sites/{site}/quarantine"
    assert access.request("POST", path, token, site="north").status_code == 200
    for site in ("south", "nowhere"):
        refused = access.request("POST", path, token, site=site)
        assert (refused.status_code, refused.json()["detail"]) == (404, f"there is no site '{site}'")
    assert not access.cloud.reports.site("south").quarantined


def test_a_refusal_states_the_role_that_is_needed(access: Access) -> None:
    refused = access.request("POST", API_PREFIX + "/campaigns", access.tokens[UserRole.OPERATOR, False])
    assert refused.json()["detail"] == "operator-all is operator; this needs the role trainer"
    limited = access.request("POST", API_PREFIX + "/campaigns", access.tokens[UserRole.TRAINER, True])
    assert (
        limited.json()["detail"] == "trainer-limited is limited to some site groups; this concerns all sites"
    )


def test_the_documentation_lists_what_each_route_needs() -> None:
    page = (ROOT / "docs" / "users.md").read_text()
    listed = [line for line in page.splitlines() if re.match(r"\| `[A-Z]+ /", line)]
    expected = [
        f"| `{method} {path}` | {needed.role} | {'yes' if needed.limited else 'no'} |"
        for (method, path), needed in PERMISSIONS.items()
    ]
    assert listed == expected
