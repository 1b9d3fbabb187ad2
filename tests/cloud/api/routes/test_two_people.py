"""Two API clients change the same object at the same time: one change, one refusal in one sentence."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from cloud.store.records import CampaignState
from messaging.access_resources import AuditResource
from messaging.cloud_address import find_cloud
from messaging.resources import API_PREFIX, OPERATOR_HEADER, TOKEN_HEADER
from tests.support.two_people import SITE, ContestedCloud, contested_cloud, meet, settings_of
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def contested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContestedCloud]:
    with contested_cloud(settings_of(tmp_path_factory.mktemp("cloud"))) as made:
        yield made


@dataclass(frozen=True)
class Request:
    """What one person asks for: `kind` is a key of `METHODS`."""

    kind: str
    path: str
    body: dict[str, Any] | None = None

    def send(self, contested: ContestedCloud, person: str) -> httpx.Response:
        """The cloud's answer."""
        address = find_cloud(contested.cloud.settings.data)
        headers = {TOKEN_HEADER: f"Bearer {address.token}", OPERATOR_HEADER: person}
        return httpx.request(
            "POST" if self.body is None else "PUT",
            f"{address.url}{API_PREFIX}/{self.path}",
            headers=headers,
            json=self.body,
            timeout=60,
            trust_env=False,
        )


def at_once(
    contested: ContestedCloud, monkeypatch: pytest.MonkeyPatch, first: Request, second: Request
) -> dict[str, httpx.Response]:
    """The answers to two people who ask at the same time."""
    meet(monkeypatch, first.kind, second.kind)
    answers: dict[str, httpx.Response] = {}

    def ask(person: str, request: Request) -> None:
        answers[person] = request.send(contested, person)

    people = [threading.Thread(target=ask, args=given) for given in (("ana", first), ("bo", second))]
    for one in people:
        one.start()
    for one in people:
        one.join(120)
    monkeypatch.undo()
    return answers


def audited(contested: ContestedCloud, path: str) -> list[int]:
    """The statuses in the audit log of what was asked of an object, in the order of time."""
    named = path.split("/")[1] if not path.startswith("hazards") else path.split("/")[2]
    with contested.cloud.client() as client:
        entries = client.page("audit", AuditResource, limit=500)
    return [one.status for one in reversed(entries) if named in one.object]


def _campaign(verb: str, state: CampaignState, *, held: bool = False, running: bool = False) -> Any:
    def made(contested: ContestedCloud) -> Request:
        campaign = contested.campaign(state, held=held or running)
        if running:
            approval = Request("campaign approve", f"campaigns/{campaign}/approve")
            assert approval.send(contested, "cleo").status_code == 200
            wait_until(lambda: contested.parts.campaign_rows.get(campaign).state is CampaignState.RUNNING)
        return Request(f"campaign {verb}", f"campaigns/{campaign}/{verb}")

    return made


def _rollout(verb: str, **given: bool) -> Any:
    return lambda contested: Request(f"rollout {verb}", f"rollouts/{contested.rollout(**given)}/{verb}")


def _hazard(status: str) -> Any:
    return lambda contested: Request(
        "hazard", f"hazards/{SITE}/{contested.hazard()}/status", {"status": status}
    )


def _image(verdict: str) -> Any:
    def made(contested: ContestedCloud) -> Request:
        campaign, image = contested.image()
        return Request("image", f"campaigns/{campaign}/images/{image}/review", {"verdict": verdict})

    return made


AWAITING = CampaignState.AWAITING_APPROVAL
TWICE = {
    "campaign approve": (_campaign("approve", AWAITING), "does not wait for approval; it is "),
    "campaign cancel": (_campaign("cancel", AWAITING), "cannot be cancelled; it is cancelled"),
    "running cancel": (_campaign("cancel", AWAITING, running=True), "cannot be cancelled; it is cancel"),
    "campaign resume": (_campaign("resume", CampaignState.FAILED), "cannot be resumed; it is "),
    "rollout approve": (_rollout("approve", awaiting=True), "waits for no approval"),
    "rollout pause": (_rollout("pause"), "is paused already"),
    "rollout resume": (_rollout("resume", paused=True), "is not paused"),
    "rollout stop": (_rollout("stop"), "is halted; there is nothing to stop"),
    "rollout rollback": (_rollout("rollback"), "is rolling_back already"),
    "hazard acknowledged": (_hazard("acknowledged"), "is acknowledged already"),
    "hazard resolved": (_hazard("resolved"), "is resolved already"),
    "hazard false alarm": (_hazard("false_alarm"), "is false alarm already"),
    "image rejected": (_image("rejected"), "is rejected by (ana|bo)@data-folder already"),
    "image accepted": (_image("accepted"), "is accepted by (ana|bo)@data-folder already"),
}
"""How the request is made, and what the second person is answered."""


@pytest.mark.parametrize("name", TWICE)
def test_of_the_same_change_by_two_people_one_is_made_and_the_other_refused_in_a_sentence(
    contested: ContestedCloud, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, sentence = TWICE[name]
    request = make(contested)
    before = audited(contested, request.path)
    answers = at_once(contested, monkeypatch, request, request)
    assert sorted(answer.status_code for answer in answers.values()) == [200, 409]
    (refused,) = (answer.json() for answer in answers.values() if answer.status_code == 409)
    assert re.search(sentence, refused["detail"]), refused
    assert "\n" not in refused["detail"]
    wait_until(lambda: sorted(audited(contested, request.path)[len(before) :]) == [200, 409])


@pytest.mark.parametrize(
    ("first", "second", "made", "ends_as"),
    [
        (
            "campaigns/{}/approve",
            "campaigns/{}/cancel",
            _campaign("approve", AWAITING, held=True),
            ("cancelled",),
        ),
        (
            "rollouts/{}/approve",
            "rollouts/{}/rollback",
            _rollout("approve", awaiting=True),
            ("rolling_back", "rolled_back"),
        ),
        ("rollouts/{}/pause", "rollouts/{}/rollback", _rollout("pause"), ("rolling_back", "rolled_back")),
    ],
)
def test_of_two_changes_that_exclude_each_other_the_one_that_ends_the_work_lasts(
    contested: ContestedCloud,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    second: str,
    made: Any,
    ends_as: tuple[str, ...],
) -> None:
    """In whichever order they come: what is approved first is cancelled after, and never the other way."""
    name, kind = made(contested).path.split("/")[1], first.split("/", maxsplit=1)[0].removesuffix("s")
    one, other = (Request(f"{kind} {path.rpartition('/')[2]}", path.format(name)) for path in (first, second))
    answers = at_once(contested, monkeypatch, one, other)
    assert answers["bo"].status_code == 200
    ana = answers["ana"]
    assert ana.status_code == 200 or (ana.status_code == 409 and "\n" not in ana.json()["detail"])
    wait_until(lambda: sorted(audited(contested, one.path)) == sorted((ana.status_code, 200)))
    if kind == "campaign":
        rows = contested.parts.campaign_rows
        wait_until(lambda: rows.get(name).state in ends_as)
        assert [stage for stage in rows.stages(name) if stage.state == "done"] == []
    else:
        assert contested.parts.releases.rollout(name).phase in ends_as
