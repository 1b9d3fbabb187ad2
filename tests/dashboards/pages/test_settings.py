"""The tabs of the settings: who sees which, and what their dialogs refuse before the cloud does."""

import pytest

from dashboards.errors import CloudRefused
from dashboards.pages.settings import audit, group_field, integrations, tabs, tokens, users
from dashboards.scope import Scope
from messaging.access_resources import AuditResource, TokenResource, UserResource, UserRole
from messaging.integration_resources import DeliveryResource


def offered(role: UserRole, *groups: str) -> set[str]:
    user = UserResource(name="ana", role=role, groups=groups)
    return {name for name, tab in tabs.TABS.items() if tab.open_to(user)}


def test_each_role_sees_the_tabs_whose_requests_the_cloud_answers() -> None:
    assert offered(UserRole.VIEWER) == {"tokens", "integrations"}
    assert offered(UserRole.OPERATOR) == {"tokens", "integrations", "dead-letters"}
    assert offered(UserRole.ADMIN) == set(tabs.TABS)
    assert offered(UserRole.ADMIN, "docks") == {"tokens"}


def test_a_tab_has_an_address_of_its_own_and_the_present_one_is_marked() -> None:
    shown = tabs.tabs_markup(tabs.TABS, "audit", Scope("docks"))
    assert 'href="/settings/audit?group=docks" aria-current="page"' in shown
    assert shown.count("aria-current") == 1


def test_site_groups_are_read_from_a_text_with_commas() -> None:
    assert group_field.groups_of(" docks, uphill ,docks,, ") == ("docks", "uphill")
    assert group_field.groups_fault("docks, uphill") is None
    assert "'Up Hill' is no site group" in (group_field.groups_fault("docks, Up Hill") or "")


def test_a_weak_password_and_a_wrong_name_are_refused_with_the_rule() -> None:
    assert users.password_fault("short") == "use at least 12 characters"
    assert users.new_password_fault("short") == "use at least 12 characters"
    assert users.new_password_fault("") is None, "the present password stays"
    assert users.name_fault("Ana") is not None
    assert users.name_fault("ana") is None


def test_a_token_that_has_ended_says_so() -> None:
    token = TokenResource(id="a", user="ana", label="map", role=UserRole.VIEWER, made_at=0, expires_at=100)
    assert tokens.ends_text(token, 40.0) == "in 60 s"
    assert tokens.ends_text(token, 100.0) == "ended"


def test_an_entry_of_the_audit_log_shows_before_and_after_if_it_has_them() -> None:
    entry = AuditResource(
        id=7, at_utc=0, user="ana", address="::1", action="PATCH /users/{user}", object="user bo",
        status=200, before={"role": "viewer"}, after={"role": "trainer"},
    )  # fmt: skip
    assert "Before and after of entry 7" in audit.row(entry, 9.0)["change"]
    assert audit.change_text(entry) == 'before: {\n  "role": "viewer"\n}\nafter: {\n  "role": "trainer"\n}'
    made = entry.model_copy(update={"before": None})
    assert audit.change_text(made).startswith("before: not entered\nafter: {")
    assert audit.row(made.model_copy(update={"after": None}), 9.0)["change"] == ""
    assert audit.sentence(entry) == "ana: PATCH /users/{user}, user bo; answered 200."


def test_the_filter_of_the_audit_log_is_read_from_the_address() -> None:
    assert audit.WantedEntries.of_query({"user": "ana"}).query() == {"user": "ana", "object": None}


def delivery(state: str) -> DeliveryResource:
    return DeliveryResource(
        id=3, integration="city", change_id="c", change="test", site="test", event="e", state=state,
        attempts=1, queued_at=0, due_at=0, ended_at=1, seconds=0.1, outcome="it answered 503",
    )  # fmt: skip


def test_a_test_message_that_did_not_arrive_is_an_error_with_the_outcome() -> None:
    integrations.refuse_failed(delivery("delivered"))
    with pytest.raises(CloudRefused, match="city did not take the test message: it answered 503"):
        integrations.refuse_failed(delivery("dead"))


def test_only_a_dead_delivery_can_be_replayed() -> None:
    assert "Replay delivery 3" in integrations.log_row(delivery("dead"), 0.0)["replay"]
    assert integrations.log_row(delivery("waiting"), 0.0)["replay"] == ""
