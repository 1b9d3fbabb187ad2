"""First run in a real browser: every list and chart that has nothing names the next step."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.settings import CloudSettings
from dashboards.page_list import PAGES
from dashboards.pages.settings.tabs import TABS
from tests.rules.test_commands import PROGRAMS, fault_of
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.chromium import BROWSER_TEST, Tab

pytestmark = BROWSER_TEST
LISTS = sorted(
    {page.path for page in PAGES if "{" not in page.path and page.path != "/settings"}
    | {f"/settings/{tab}" for tab in TABS}
)
FIELDS: Mapping[str, frozenset[str]] = {
    "/campaigns/new": frozenset({"campaign-plan", "campaign-samples", "campaign-approval"}),
}
"""Cards that hold fields and buttons in the place of a list, by the path of their page."""
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
