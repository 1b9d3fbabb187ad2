"""A dry run of a request: authorised and validated as ever, nothing changed, nothing audited or kept."""

from collections.abc import Iterator

import httpx
import pytest

from messaging.access_resources import NewUser, UserRole
from messaging.resources import API_PREFIX, DRY_RUN_HEADER, IDEMPOTENCY_HEADER
from tests.support.cloud.filled_cloud import FilledCloud

DRY = {DRY_RUN_HEADER: "true"}
PASSWORD = "a long password 1"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    made = FilledCloud(tmp_path_factory.mktemp("cloud"))
    made.fill()
    made.accounts.add_user(NewUser(name="vera", role=UserRole.VIEWER, password=PASSWORD))
    made.start()
    yield made
    made.close()


def _send(cloud: FilledCloud, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    given = {"Authorization": f"Bearer {cloud.token}", **headers}
    return httpx.request(method, f"http://127.0.0.1:{cloud.port}{API_PREFIX}{path}", headers=given)


def _audited(cloud: FilledCloud) -> int:
    return len(_send(cloud, "GET", "/audit", {}).json()["items"])


def test_the_answer_states_what_the_request_would_do(cloud: FilledCloud) -> None:
    before = _audited(cloud)
    answer = _send(cloud, "POST", "/sites/north/quarantine", DRY)
    assert (answer.status_code, answer.headers[DRY_RUN_HEADER]) == (200, "true")
    assert answer.json() == {
        "would": "Learn nothing from a site's evidence, old or new, until it is released."
    }
    assert not cloud.reports.site("north").quarantined
    assert _audited(cloud) == before


def test_a_refusal_is_that_of_the_request_and_not_audited(cloud: FilledCloud) -> None:
    before = _audited(cloud)
    dry = _send(cloud, "POST", "/campaigns/none/cancel", DRY)
    assert _audited(cloud) == before
    real = _send(cloud, "POST", "/campaigns/none/cancel", {})
    assert (dry.status_code, dry.json()) == (real.status_code, real.json())
    assert _audited(cloud) == before + 1


def test_who_may_not_change_something_may_not_try_it_either(cloud: FilledCloud) -> None:
    _, made = cloud.accounts.log_in("vera", PASSWORD, "127.0.0.1")
    answer = _send(cloud, "POST", "/sites/north/revoke", {**DRY, "Authorization": f"Bearer {made.bearer}"})
    assert answer.status_code == 403


@pytest.mark.parametrize("value", ["1", "True", "false", ""])
def test_another_value_of_the_header_is_refused_and_no_change_is_made(cloud: FilledCloud, value: str) -> None:
    answer = _send(cloud, "POST", "/sites/north/quarantine", {DRY_RUN_HEADER: value})
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        f"{DRY_RUN_HEADER}: write true, or leave it out",
    )
    assert not cloud.reports.site("north").quarantined


def test_an_idempotency_key_of_a_dry_run_is_free_for_the_request_itself(cloud: FilledCloud) -> None:
    key = {IDEMPOTENCY_HEADER: "one"}
    content = {"camera": "bridge", "class_name": "fire"}
    url = f"http://127.0.0.1:{cloud.port}{API_PREFIX}/sites/north/verdict-requests"
    token = {"Authorization": f"Bearer {cloud.token}"}
    dry = httpx.post(url, json=content, headers={**token, **key, **DRY})
    assert (dry.status_code, cloud.asked) == (200, [])
    real = httpx.post(url, json=content, headers={**token, **key})
    assert (real.status_code, len(cloud.asked)) == (202, 1)


def test_reading_is_no_dry_run(cloud: FilledCloud) -> None:
    assert DRY_RUN_HEADER not in _send(cloud, "GET", "/sites", DRY).headers


def test_a_command_that_meets_a_cloud_without_dry_runs_says_that_the_change_was_made(
    cloud: FilledCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloud.api import client
    from tests.support.command_line import blindspot

    monkeypatch.setattr(client, "DRY_RUN_HEADER", "Another-Header")
    done = blindspot("sites", "group", "south", "quay", "--data", cloud.folder.root, "--dry-run")
    assert (done.returncode, "knows no dry runs and has made the change" in done.stderr) == (3, True)
