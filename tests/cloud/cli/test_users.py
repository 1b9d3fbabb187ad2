"""`blindspot users|tokens|audit` and `sites group` against a real API."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from cloud.cli.main import app
from messaging.fields import SLUG_WORDS
from tests.support.cloud.filled_cloud import FilledCloud

pytestmark = pytest.mark.usefixtures("wide")

PASSWORD = "correct horse battery"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[FilledCloud]:
    up = FilledCloud(tmp_path / "data")
    up.reports.add_site("north")
    up.start()
    yield up
    up.close()


def run(cloud: FilledCloud, *arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, [*arguments, "--data", str(cloud.folder.root)], input=typed)


def add(cloud: FilledCloud, name: str, *more: str) -> Result:
    return run(cloud, "users", "add", name, "--role", "operator", *more, typed=f"{PASSWORD}\n{PASSWORD}\n")


def test_a_user_is_added_with_a_typed_password_listed_and_limited(cloud: FilledCloud) -> None:
    assert run(cloud, "sites", "group", "north", "uphill").exit_code == 0
    assert "ana can log in as operator" in add(cloud, "ana", "--group", "uphill").output
    row = json.loads(run(cloud, "users", "list", "--json").stdout)[0]
    assert (row["name"], row["role"], row["groups"], row["disabled"]) == (
        "ana",
        "operator",
        ["uphill"],
        False,
    )
    changed = run(cloud, "users", "change", "ana", "--all-sites", "--role", "viewer", "--disable")
    assert "ana is viewer, disabled" in changed.output
    assert cloud.accounts.user("ana").groups == ()


def test_a_token_of_a_user_is_printed_once_and_revoked(cloud: FilledCloud) -> None:
    add(cloud, "ana")
    made = run(cloud, "tokens", "add", "ana", "city map", "--role", "viewer")
    token = made.stdout.strip()
    url = json.loads(cloud.folder.address.read_text())["url"]
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{url}/api/v1/me", headers=headers, trust_env=False).json()["role"] == "viewer"
    listed = run(cloud, "tokens", "list")
    assert "city map" in listed.stdout
    assert token not in listed.stdout
    assert run(cloud, "tokens", "revoke", token.split("_")[1]).exit_code == 0
    assert httpx.get(f"{url}/api/v1/me", headers=headers, trust_env=False).status_code == 401


def test_the_audit_log_shows_who_changed_what(cloud: FilledCloud) -> None:
    run(cloud, "sites", "quarantine", "north")
    shown = run(cloud, "audit", "list", "--object", "site north").stdout
    assert "data-folder" in shown
    assert "POST /sites/{site}/quarantine" in shown
    whole = json.loads(run(cloud, "audit", "list", "--json", "--limit", "1").stdout)
    assert len(whole) == 1
    assert whole[0]["after"]["quarantined"] is True


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("users", "add", "Ana", "--role", "viewer", "--password", PASSWORD),
            f"name 'Ana': use {SLUG_WORDS}",
        ),
        (("users", "add", "ana", "--role", "viewer", "--password", "short"), "password: String should have"),
        (("users", "change", "nobody", "--role", "viewer"), "there is no user 'nobody'"),
        (("tokens", "add", "nobody", "ci"), "there is no user 'nobody'"),
        (("tokens", "revoke", "beef"), "there is no token 'beef'"),
        (("sites", "group", "nowhere", "uphill"), "site 'nowhere' is not known"),
        (("sites", "group", "north", "Up Hill"), f"group 'Up Hill': use {SLUG_WORDS}"),
    ],
)
def test_what_is_wrong_is_one_sentence(cloud: FilledCloud, arguments: tuple[str, ...], sentence: str) -> None:
    refused = run(cloud, *arguments)
    assert refused.exit_code == 1
    assert sentence in str(refused.exception)
    assert "short" not in str(refused.exception)
