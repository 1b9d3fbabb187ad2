"""Verdict requests over the REST API: what is asked, what is refused and why, and what a person sees."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cloud.api.routes.verdict_requests import MEANINGS
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings
from cloud.store.lists.filters import AuditFilter, RequestFilter
from messaging.access_resources import NewUser, UserRole
from messaging.api.sites import CameraResource
from messaging.api.verdict_requests import MissedHazard, VerdictRequestResource
from messaging.errors import WireUnavailable
from messaging.nats.subjects import REQUESTS
from messaging.reports import AnswerOutcome, VerdictAnswer
from messaging.resources import IDEMPOTENCY_HEADER, Page
from messaging.trust.signing import Repository
from messaging.trust.verdict_requests import OpenRequests, verify_requests
from tests.support.cloud.api_reader import PASSWORD, get
from tests.support.cloud.filled_cloud import ONLINE_S, FilledCloud
from tests.support.cloud.running_cloud import running_cloud
from tests.support.cloud.sample_reports import received
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.messaging.samples import HEARTBEAT
from tests.support.waiting import wait_until

MISSED = {"camera": "bridge", "class_name": "fire"}


@pytest.fixture(scope="module")
def one_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    found = FilledCloud(tmp_path_factory.mktemp("cloud"))
    found.reports.add_site("tunnel")
    yield found
    found.close_store()


@pytest.fixture
def cloud(one_cloud: FilledCloud) -> Iterator[FilledCloud]:
    """Two sites that are online and were never asked."""
    services, one_cloud.database._clock = one_cloud.services, time.time
    one_cloud.beat()
    for site, group in (("north", "uphill"), ("south", "downhill")):
        one_cloud.reports.add_site(site)
        one_cloud.reports.group_site(site, group)
    store = one_cloud.services.histories.requests
    for request in store.requests(RequestFilter(), limit=100):
        store.withdraw(request.number)
    one_cloud.asked.clear()
    yield one_cloud
    one_cloud.services = one_cloud.app.state.services = services


def set_services(cloud: FilledCloud, **changes: Any) -> None:
    """Answer with other services until the end of the test."""
    cloud.services = cloud.app.state.services = replace(cloud.services, **changes)


def post(
    cloud: FilledCloud, body: Any = None, *, site: str = "north", user: str | None = None, key: str = ""
) -> Any:
    token = cloud.token if user is None else cloud.accounts.log_in(user, PASSWORD, "here")[1].bearer
    client = TestClient(cloud.app, base_url="http://test/api/v1/", raise_server_exceptions=False)
    headers = {"Authorization": f"Bearer {token}", **({IDEMPOTENCY_HEADER: key} if key else {})}
    return client.post(f"sites/{site}/verdict-requests", json=body or MISSED, headers=headers)


def ask(cloud: FilledCloud, body: Any = None, **more: Any) -> VerdictRequestResource:
    answer = post(cloud, body, **more)
    assert answer.status_code == 202, answer.text
    return VerdictRequestResource.model_validate(answer.json())


def shown(cloud: FilledCloud, asked: VerdictRequestResource) -> VerdictRequestResource:
    found = get(cloud, f"sites/{asked.site}/verdict-requests/{asked.number}")
    return VerdictRequestResource.model_validate(found.json())


def test_a_missed_hazard_is_asked_of_its_site_with_all_that_are_open(cloud: FilledCloud) -> None:
    now = int(time.time())
    first = ask(cloud)
    second = ask(cloud, {"camera": "market", "class_name": "pothole", "at_utc": now - 120})
    assert (first.state, second.state) == ("sent", "sent")
    assert abs(first.at_utc - now) <= 60, "without a time it is now"
    published = cloud.asked[-1]
    assert published.site == "north"
    assert [(one.number, one.camera, one.class_name) for one in published.requests] == [
        (first.number, "bridge", "fire"),
        (second.number, "market", "pothole"),
    ]
    assert published.requests[1].at_utc == now - 120
    assert published.requests[0].expires_at_utc == first.expires_at


@pytest.mark.parametrize("outcome", list(AnswerOutcome))
def test_an_answer_of_the_site_is_the_state_with_a_sentence(
    outcome: AnswerOutcome, cloud: FilledCloud
) -> None:
    asked = ask(cloud)
    answer = VerdictAnswer(request=asked.number, outcome=outcome, minute_utc=int(time.time()) // 60 * 60)
    cloud.reports.insert([received(answer, "north")])
    found = shown(cloud, asked)
    assert (found.state, found.meaning) == (outcome, MEANINGS[found.state])
    assert found.answered_at is not None
    assert cloud.services.histories.requests.open("north") == []


def test_a_request_without_an_answer_expires_and_a_late_answer_still_counts(cloud: FilledCloud) -> None:
    asked = ask(cloud)
    cloud.database._clock = lambda: asked.expires_at
    set_services(cloud, clock=lambda: asked.expires_at)
    expired = shown(cloud, asked)
    assert (expired.state, expired.answered_at) == ("expired", None)
    assert "its version is too old" in expired.meaning
    answer = VerdictAnswer(request=asked.number, outcome=AnswerOutcome.CONFIRMED, minute_utc=0)
    cloud.reports.insert([received(answer, "north")])
    assert shown(cloud, asked).state == "confirmed"


@pytest.mark.parametrize(
    ("site", "change", "status", "sentence"),
    [
        ("nowhere", {}, 404, "site 'nowhere' is not known"),
        ("north", {"camera": "harbour"}, 404, "has no camera harbour (it has bridge, market)"),
        ("north", {"class_name": "dragon"}, 400, "dragon is no hazard class of this deployment (fire, "),
        ("north", {"ago_s": -3600}, 400, "3600 s in the future; say when the hazard was seen"),
        ("north", {"ago_s": 7200}, 400, "120 minutes ago; a site keeps frames for at most 60 minutes"),
        ("tunnel", {}, 409, "site tunnel is offline (has never reported)"),
        ("north", {"camera": "No Camera"}, 422, "camera"),
        ("north", {"camera": "x" * 10_000}, 422, "camera"),
        ("north", {"class_name": "<script>"}, 422, "class_name"),
        ("north", {"at_utc": "yesterday"}, 422, "at_utc"),
        ("north", {"at_utc": -1}, 422, "at_utc"),
    ],
)
def test_bad_input_is_refused_with_a_sentence_and_nothing_is_sent(
    site: str, change: dict[str, Any], status: int, sentence: str, cloud: FilledCloud
) -> None:
    now = int(time.time())
    cloud.database._clock = lambda: now
    body = {**MISSED, **change}
    if (ago_s := body.pop("ago_s", None)) is not None:
        body["at_utc"] = now - int(ago_s)
    answer = post(cloud, body, site=site)
    assert (answer.status_code, sentence in answer.json()["detail"]) == (status, True), answer.text
    assert cloud.asked == []


def test_a_site_that_is_revoked_or_offline_is_not_asked(cloud: FilledCloud) -> None:
    now = time.time()
    cloud.database._clock = lambda: now + 2 * ONLINE_S
    answer = post(cloud)
    assert answer.status_code == 409
    assert "site north is offline (last reported 1200 s ago)" in answer.json()["detail"]
    cloud.reports.revoke_site("north")
    answer = post(cloud)
    assert answer.status_code == 409
    assert answer.json()["detail"] == "site north is revoked; `blindspot sites add north` enrols it again"
    assert cloud.asked == []


def test_a_site_is_not_asked_without_end(cloud: FilledCloud) -> None:
    for _ in range(20):
        ask(cloud)
    answer = post(cloud)
    assert answer.status_code == 409
    assert "was asked 20 times in 24 hours" in answer.json()["detail"]


def test_a_request_that_the_hub_does_not_take_is_not_listed(cloud: FilledCloud) -> None:
    def fails(requests: OpenRequests) -> None:
        raise WireUnavailable("the hub did not answer within 60 s; try again")

    set_services(cloud, requests=replace(cloud.services.requests, publish=fails))
    answer = post(cloud)
    assert answer.status_code == 503
    assert "the hub did not answer" in answer.json()["detail"]
    assert get(cloud, "verdict-requests").json()["items"] == []


def test_the_same_key_asks_once(cloud: FilledCloud) -> None:
    first, again = ask(cloud, key="once"), ask(cloud, key="once")
    assert (first.number, len(cloud.asked)) == (again.number, 1)
    assert post(cloud, {**MISSED, "class_name": "flood"}, key="once").status_code == 422


def test_operators_ask_sites_that_they_may_see_and_viewers_ask_none(cloud: FilledCloud) -> None:
    for name, role, groups in (
        ("vera", UserRole.VIEWER, ()),
        ("otto", UserRole.OPERATOR, ()),
        ("uli", UserRole.OPERATOR, ("uphill",)),
    ):
        cloud.accounts.add_user(NewUser(name=name, role=role, password=PASSWORD, groups=groups))
    south = {"camera": "harbour", "class_name": "fire"}
    assert post(cloud, user="vera").status_code == 403
    assert post(cloud, south, site="south", user="uli").status_code == 404
    assert ask(cloud, south, site="south", user="otto").by == "otto"
    of_uli = ask(cloud, user="uli")
    listed = Page[VerdictRequestResource].model_validate(get(cloud, "verdict-requests", user="uli").json())
    assert [one.number for one in listed.items] == [of_uli.number]


def test_who_asked_what_is_in_the_audit_log(cloud: FilledCloud) -> None:
    asked = ask(cloud)
    (entry,) = cloud.services.audit.entries(AuditFilter(), limit=1)
    assert (entry.action, entry.object) == ("POST /sites/{site}/verdict-requests", "site north")
    assert entry.before is None
    assert entry.after is not None
    assert (entry.after["number"], entry.after["camera"]) == (asked.number, "bridge")


def test_requests_are_listed_page_by_page_latest_first(cloud: FilledCloud) -> None:
    numbers = [ask(cloud).number for _ in range(3)]
    first = Page[VerdictRequestResource].model_validate(get(cloud, "verdict-requests", limit=2).json())
    assert [one.number for one in first.items] == numbers[:0:-1]
    rest = get(cloud, "verdict-requests", limit=2, cursor=first.next).json()
    assert [one["number"] for one in rest["items"]] == numbers[:1]
    assert get(cloud, "verdict-requests", site="south").json()["items"] == []


def test_a_running_cloud_signs_requests_for_the_hub_and_takes_the_answer(tmp_path: Path) -> None:
    settings = CloudSettings(data=tmp_path / "cloud", api=ApiSettings(port=0))
    with (
        running_cloud(settings, lambda _: ScriptedStages(), sites=("harbour",)) as cloud,
        cloud.client() as client,
    ):
        wait_until(lambda: "harbour" in cloud.sites, 60.0)
        cloud.sites["harbour"].cameras = HEARTBEAT.cameras
        wait_until(lambda: bool(client.page("cameras", CameraResource)), 60.0)
        body = MissedHazard(camera="north", class_name="pothole")
        path = "sites/harbour/verdict-requests"
        asked = client.send("POST", path, VerdictRequestResource, body)
        envelope = cloud.call(lambda: cloud.bus.get_latest(REQUESTS, "harbour"))
        director = Repository(settings.folder.releases).site_trust.director
        (sent,) = verify_requests(envelope, director, "harbour").requests
        assert (sent.number, sent.camera, sent.class_name) == (asked.number, "north", "pothole")
        cloud.report(
            "harbour", VerdictAnswer(request=sent.number, outcome=AnswerOutcome.NOT_FOUND, minute_utc=0)
        )
        wait_until(
            lambda: client.get(f"{path}/{asked.number}", VerdictRequestResource).state == "not_found",
            60.0,
        )
