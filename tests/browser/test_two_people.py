"""Two people at two browsers who click the same button at once: one change, and a sentence for each."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloud.store.records import CampaignState
from messaging.access_resources import AuditResource, NewUser, UserResource, UserRole
from tests.support.dashboards.chromium import BROWSER_TEST, PageProcess, Tab
from tests.support.two_people import SITE, ContestedCloud, contested_cloud, meet, settings_of
from tests.support.waiting import wait_until

pytestmark = BROWSER_TEST
PASSWORD = "correct horse battery"
PEOPLE = ("ana", "bo")
AWAITING = CampaignState.AWAITING_APPROVAL
Clicks = tuple[str, ...]
_CONFIRM = ".dialog .choices button:last-child"


@pytest.fixture(scope="module")
def contested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContestedCloud]:
    with contested_cloud(settings_of(tmp_path_factory.mktemp("cloud"))) as made:
        with made.cloud.client() as client:
            for name in PEOPLE:
                user = NewUser(name=name, role=UserRole.TRAINER, password=PASSWORD)
                client.send("POST", "users", UserResource, user)
        yield made


@pytest.fixture(scope="module")
def tabs(chromium: Any, contested: ContestedCloud) -> Iterator[tuple[Tab, Tab]]:
    process = PageProcess(contested.cloud.settings.data)
    first, second = Tab(chromium, process), Tab(chromium, process)
    for tab, name in zip((first, second), PEOPLE, strict=True):
        tab.log_in(name, PASSWORD)
        tab.page.wait_for_selector("nav a")
    yield first, second
    for tab in (first, second):
        tab.page.close()
    ended, log = process.stop()
    assert (ended, "Traceback" in log, "ERROR" in log) == (0, False, False), log


def _image(contested: ContestedCloud) -> tuple[str, str]:
    campaign, image = contested.image()
    return f"/campaigns/{campaign}/images", f"image {image}"


def _campaign(*, held: bool = False) -> Callable[[ContestedCloud], tuple[str, str]]:
    def made(contested: ContestedCloud) -> tuple[str, str]:
        name = contested.campaign(AWAITING, held=held)
        return f"/campaigns/{name}", name

    return made


def _rollout(**given: bool) -> Callable[[ContestedCloud], tuple[str, str]]:
    def made(contested: ContestedCloud) -> tuple[str, str]:
        name = contested.rollout(**given)
        return f"/rollouts/{name}", name

    return made


def _hazard(contested: ContestedCloud) -> tuple[str, str]:
    event = contested.hazard()
    return f"/hazards/{SITE}/{event}", event


CASES: dict[str, tuple[str, Callable[[ContestedCloud], tuple[str, str]], Clicks, str, str]] = {
    "approve a campaign": (
        "campaign approve", _campaign(held=True), ("#campaign button:has-text('Approve')",),
        "The cloud accepted: approve.", "does not wait for approval; it is ",
    ),
    "cancel a campaign": (
        "campaign cancel", _campaign(), ("#campaign button:has-text('Cancel')", _CONFIRM),
        "The cloud accepted: cancel.", "cannot be cancelled; it is cancelled",
    ),
    "approve a rollout": (
        "rollout approve", _rollout(awaiting=True), ("#rollout button:has-text('Approve')", _CONFIRM),
        "The cloud accepted: Approve.", "waits for no approval",
    ),
    "pause a rollout": (
        "rollout pause", _rollout(), ("#rollout button:has-text('Pause')", _CONFIRM),
        "The cloud accepted: Pause.", "is paused already",
    ),
    "roll back": (
        "rollout rollback", _rollout(), ("#rollout button:has-text('Roll back')", _CONFIRM),
        "The cloud accepted: Roll back.", "is rolling_back already",
    ),
    "acknowledge a hazard": (
        "hazard", _hazard, ("#hazard button:has-text('Acknowledge')",),
        "The hazard is acknowledged now", "is acknowledged already",
    ),
    "reject an image": (
        "image", _image, (".tile-image", ".whole-image button:has-text('Reject')"),
        "The image is rejected.", "is rejected by ",
    ),
}  # fmt: skip
"""Kind of the change, how its object is made (with a part of its name in the audit log), what both click,
what the first person reads, and the second."""


@pytest.mark.parametrize("name", CASES)
def test_the_second_of_two_people_reads_one_sentence_and_sees_what_the_first_has_done(
    contested: ContestedCloud, tabs: tuple[Tab, Tab], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kind, make, clicks, done, refused = CASES[name]
    path, named = make(contested)
    for tab in tabs:
        tab.open(path, clicks[0])
        for selector in clicks[:-1]:
            tab.page.click(selector)
        tab.page.wait_for_selector(clicks[-1])
    meet(monkeypatch, kind)
    for tab in tabs:
        tab.page.click(clicks[-1])
    for tab in tabs:
        tab.page.wait_for_selector(".q-notification")
    shown = sorted((tab.text(".q-notification") for tab in tabs), key=lambda text: refused in text)
    assert done in shown[0], shown
    assert refused in shown[1], shown
    assert not any(raw in shown[1] for raw in ("{", "http", "409", "Traceback")), shown
    for tab in tabs:
        if kind == "image":
            tab.wait_for_text(".tile-image .pill", "rejected")
        else:
            tab.page.wait_for_selector(clicks[0], state="hidden")
    wait_until(lambda: _statuses(contested, named) == [200, 409])
    assert [tab.violations for tab in tabs] == [[], []]


def _statuses(contested: ContestedCloud, named: str) -> list[int]:
    """The statuses of what was asked of an object, by the audit log."""
    with contested.cloud.client() as client:
        entries = client.page("audit", AuditResource, limit=500)
    return sorted(one.status for one in entries if named in one.object)
