"""First run in a real browser: every list and chart that has nothing names the next step."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.settings import CloudSettings
from cloud.store.lists.filters import HazardFilter
from cloud.store.records import CampaignPlan, Release, Rollout
from dashboards.page_list import PAGES
from dashboards.pages.settings.tabs import TABS
from messaging.releases import Channel
from messaging.reports import EvidenceSource
from tests.rules.test_commands import PROGRAMS, fault_of
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import OLD
from tests.support.dashboards.chromium import BROWSER_TEST, Tab
from tests.support.fake_detector import describe

pytestmark = BROWSER_TEST
LISTS = sorted(
    {page.path for page in PAGES if "{" not in page.path and page.path != "/settings"}
    | {f"/settings/{tab}" for tab in TABS}
)
FIELDS: Mapping[str, frozenset[str]] = {
    "/campaigns/new": frozenset({"campaign-plan", "campaign-samples", "campaign-approval"}),
}
"""Cards that hold fields and buttons in the place of a list, by the path of their page."""
EMPTY_CARDS: Mapping[str, frozenset[str]] = {
    "/hazards/{site}/{event}": frozenset({"deliveries-card"}),
    "/sites/{site}": frozenset({"site-cameras", "dead-letters-card"}),
    "/cameras/{site}/{camera}": frozenset(
        {"camera", "map-card", "hazards-card", "missed-card", "camera-modes-card"}
    ),
    "/failure-modes/{mode}": frozenset({"map-card", "mode-changes", "mode-campaigns"}),
    "/campaigns/{campaign}": frozenset(
        {"campaign-log", "campaign-rollouts", "campaign-loss", "campaign-images", "comparison"}
    ),
    "/campaigns/{campaign}/images": frozenset({"gallery"}),
    "/campaigns/{campaign}/comparison": frozenset(
        {"comparison-result", "comparison-holdout", "comparison-shadow"}
    ),
    "/models/{digest}": frozenset({"model-ticket", "model-training"}),
    "/rollouts/{rollout}": frozenset({"rollout-sites-card", "rollout-guards-card", "rollout-history"}),
}
"""By the path of a page of one object: its cards that have nothing while the object is new."""
_CARDS = """() => [...document.querySelectorAll("main section.card")]
    .filter((card) => card.checkVisibility())
    .map((card) => {
        const shown = (selector) =>
            [...card.querySelectorAll(selector)].filter((part) => part.checkVisibility());
        return {
            name: card.id,
            sentences: shown(".empty").map((part) => part.textContent),
            commands: shown(".empty code").map((code) => code.textContent),
            actions: shown(".empty a, .empty button").length,
            drawn: shown(".chart, .table, .place-map, table").length,
        };
    })"""
_READ = f"""(fields) => {{
    const lists = ({_CARDS})().filter((card) => !fields.includes(card.name));
    return lists.length && lists.every((card) => card.sentences.length);
}}"""
_ALL_EMPTY = f"""(names) => {{
    const empty = ({_CARDS})().filter((card) => card.sentences.length).map((card) => card.name);
    return names.every((name) => empty.includes(name));
}}"""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[FilledCloud]:
    """A cloud in which nothing has happened yet."""
    cloud = FilledCloud(tmp_path / "data", placed=False)
    yield cloud
    cloud.close()


def fault_of_step(text: str) -> str | None:
    """What a command, or a line for `cloud.yaml`, names that is not there; None if all of it is."""
    if text.split(maxsplit=1)[0] in PROGRAMS:
        return fault_of(text)
    unknown = set(yaml.safe_load(text)) - set(CloudSettings.model_fields)
    return f"keys of cloud.yaml: {sorted(unknown)}" if unknown else None


def faults_of(card: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the empty state of a card of `_CARDS`."""
    if len(card["sentences"]) != 1:
        yield f"{len(card['sentences'])} sentences"
    if not card["commands"] and not card["actions"]:
        yield "neither a command nor a button or link"
    if card["drawn"]:
        yield "a list or chart without content beside the sentence"
    yield from (fault for text in card["commands"] if (fault := fault_of_step(text)))


def test_a_card_without_sentence_or_step_or_with_empty_axes_is_a_fault() -> None:
    card = {"sentences": ["None yet:"], "commands": ["blindspot sites list"], "actions": 0, "drawn": 0}
    assert list(faults_of(card)) == []
    assert list(faults_of(card | {"commands": [], "actions": 1})) == []
    assert list(faults_of(card | {"sentences": []})) == ["0 sentences"]
    assert list(faults_of(card | {"commands": []})) == ["neither a command nor a button or link"]
    assert len(list(faults_of(card | {"drawn": 1}))) == 1
    assert list(faults_of(card | {"commands": ["blindspot sites walk"]})) == ["command walk of sites"]
    assert list(faults_of(card | {"commands": ["places: {}"]})) == ["keys of cloud.yaml: ['places']"]


def test_in_a_new_cloud_every_list_and_chart_names_the_next_step(cloud: FilledCloud, tab: Tab) -> None:
    from playwright.sync_api import TimeoutError as NotShown

    cloud.start()
    faults: dict[str, list[str]] = {}
    for path in LISTS:
        fields = FIELDS.get(path, frozenset())
        tab.open(path, "main .heading h1")
        try:
            tab.page.wait_for_function(_READ, arg=sorted(fields), timeout=30_000)
        except NotShown:
            faults[path] = ["no empty state within 30 s"]
        cards = [card for card in tab.page.evaluate(_CARDS) if card["name"] not in fields]
        assert cards, path
        for card in cards:
            if found := list(faults_of(card)):
                faults[f"{path} {card['name']}"] = found
    assert faults == {}
    assert tab.violations == []


def begin(cloud: FilledCloud) -> dict[str, str]:
    """One object of each kind, to which nothing has happened yet, by the names in the paths of the pages."""
    now = int(time.time())
    cloud.reports.add_site("north")
    cloud.hazard("pothole", 3, began_s=60)
    cloud.misses("fire", 0, {EvidenceSource.TEACHER: 1})
    cloud.rows.create("C1", CampaignPlan(("smoke.day-fog.missed",), 60, 7, OLD), started_by="ana")
    description = describe("first").model_dump(mode="json")
    releases = cloud.services.releases
    releases.put_release(Release(OLD, Channel.SERVICE, "first", 1, 4_200_000, None, None, description, now))
    releases.put_rollout(Rollout("r1", None, OLD, None, "canary", False, {"sites": ()}, "", now, now), [])
    hazard = cloud.reports.lists.hazards(HazardFilter(), None, limit=1)[0]
    return {
        "site": "north", "event": hazard.event, "camera": "nowhere", "mode": "fire.night-clear.missed",
        "campaign": "C1", "digest": OLD, "rollout": "r1",
    }  # fmt: skip


def test_what_is_still_empty_of_a_new_object_names_the_next_step(cloud: FilledCloud, tab: Tab) -> None:
    assert set(EMPTY_CARDS) == {page.path for page in PAGES if "{" in page.path} - {"/settings/{tab}"}
    values = begin(cloud)
    cloud.start()
    faults: dict[str, list[str]] = {}
    for path, names in EMPTY_CARDS.items():
        tab.open(path.format(**values), "main .heading h1")
        tab.page.wait_for_function(_ALL_EMPTY, arg=sorted(names))
        empty = [card for card in tab.page.evaluate(_CARDS) if card["sentences"]]
        assert {card["name"] for card in empty} == names, path
        for card in empty:
            if found := list(faults_of(card)):
                faults[f"{path} {card['name']}"] = found
    assert faults == {}
    assert tab.violations == []
