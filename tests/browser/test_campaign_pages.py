"""The pages of the learning loop in a real browser: a failure mode, the plan of a campaign, its images."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cloud import generator_samples as cloud_samples
from cloud.module_runs import ModuleRun
from messaging.reports import EvidenceSource
from synth.contact_sheet import ContactSheet
from tests.support.cloud.filled_cloud import CAMERAS, FilledCloud
from tests.support.cloud.sample_reports import OLD, prototype, received
from tests.support.dashboards.chromium import BROWSER_TEST, Tab

pytestmark = BROWSER_TEST
FIRE = "fire.night-clear.missed"
UNKNOWN = "unknown.day-fog.missed"
SMOKE = "smoke.day-fog.missed"


def test_a_failure_mode_shows_its_history_and_follows_it(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open(f"/failure-modes/{FIRE}", "#history-chart svg")
    tab.wait_for_text("#mode-history", "92 misdetections on 1 day")
    assert "34 % (25–44 %) of 92 tracks" in tab.text("#failure-mode")
    assert cloud.campaign in tab.text("#mode-campaigns")
    cloud.misses("fire", 0, {EvidenceSource.OPERATOR: 5})
    tab.wait_for_text("#failure-mode", "operator 5")
    assert tab.violations == []


def test_failure_modes_have_first_and_last_report_and_follow_the_site_group(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    cloud.reports.group_site("south", "harbour")
    cloud.start()
    listed = cloud.services.register.modes()
    in_group = {mode.key.id for mode in listed if "south" in mode.sites}
    assert 0 < len(in_group) < len(listed)
    tab.open("/failure-modes", "#failure-modes .ag-row")
    assert tab.row("failure-modes", FIRE).count(" ago") == 2
    tab.open("/failure-modes?group=harbour", "#failure-modes .ag-row")
    rows = tab.page.locator("#failure-modes .ag-center-cols-container .ag-row")
    assert {row.get_attribute("row-id") for row in rows.all()} == in_group
    assert tab.violations == []


def test_a_prototype_shows_its_failure_modes_alone_by_the_map_or_a_select(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    site, camera, tags = CAMERAS[2]
    vector = tuple((37 * n) % 64 - 32 for n in range(64))  # unlike those of `fill`
    report = prototype(vector, camera=camera, tags=tags, class_name="smoke")
    cloud.reports.insert([received(report, site)])
    cloud.start()
    tab.open("/failure-modes", "#prototypes svg")
    rows = tab.page.locator("#failure-modes .ag-center-cols-container .ag-row")
    tab.row("failure-modes", UNKNOWN)
    tab.page.click("#prototypes svg text:has-text('smoke (day, fog)')")
    tab.page.wait_for_url("**/failure-modes?prototype=smoke.day-fog")
    rows.nth(1).wait_for(state="detached")
    assert rows.first.get_attribute("row-id") == SMOKE
    tab.page.reload()
    tab.row("failure-modes", SMOKE)
    rows.nth(1).wait_for(state="detached")
    tab.page.click("#prototypes svg text:has-text('smoke (day, fog)')")
    tab.row("failure-modes", UNKNOWN)
    tab.page.wait_for_url("**/failure-modes")
    tab.page.click(".choice:has([aria-label='Failure modes of a prototype'])")
    tab.page.click(".q-menu .q-item:has-text('smoke (day, fog): 1 failure mode')")
    tab.page.wait_for_url("**/failure-modes?prototype=smoke.day-fog")
    rows.nth(1).wait_for(state="detached")
    assert tab.violations == []


def test_an_unknown_failure_mode_gets_its_class(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open(f"/failure-modes/{UNKNOWN}", "#failure-mode .facts")
    tab.page.click("#failure-mode .q-select")
    tab.page.click(".q-menu .q-item:has-text('smoke')")
    tab.page.click("text=Assign the class")
    tab.wait_for_text("#failure-mode dd", "smoke")
    assert cloud.services.register.mode(UNKNOWN).state.assigned_class == "smoke"


def test_a_campaign_is_planned_in_four_clicks_and_the_address_holds_the_choice(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    cloud.start()
    tab.open("/", "nav")
    tab.page.click("nav a:has-text('Campaigns')")
    tab.page.click("text=New campaign")
    tab.page.click("#campaign-modes .q-checkbox:has-text('smoke')")
    tab.wait_for_text("#campaign-approval", "images for smoke missed (day, fog)")
    tab.page.fill("#campaign-plan input >> nth=0", "24")
    tab.page.wait_for_url("**/campaigns/new?modes=smoke.day-fog.missed&count=24")
    tab.page.click(".choice:has([aria-label='Time range'])")
    tab.page.click(".q-menu .q-item:has-text('last 7 days')")
    tab.page.wait_for_url("**/campaigns/new?modes=smoke.day-fog.missed&count=24&range=7d")
    tab.page.reload()
    tab.wait_for_text("#campaign-approval", "24 images for smoke missed (day, fog)")
    tab.wait_for_text("#campaign-approval", "It cannot start without")
    assert tab.page.is_disabled("text=Start the campaign")
    assert "trained too" not in tab.text("#campaign-plan")
    tab.page.click("text=Train a control model too")
    tab.wait_for_text("#campaign-plan", "trained too, without this campaign's images")
    tab.page.wait_for_url("**/campaigns/new?modes=smoke.day-fog.missed&count=24&control=yes&range=7d")
    assert tab.violations == []


def test_samples_of_a_failure_mode_are_generated_before_a_campaign_is_started(
    cloud: FilledCloud, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated = threading.Event()

    def generate(_: str, runs: Sequence[ModuleRun], **__: object) -> None:
        assert generated.wait(60)
        sheet = ContactSheet(np.full((224, 996, 3), 90, np.uint8), 4, 3, ("a photo of smoke",))
        sheet.write(Path(runs[0].arguments[1]))

    monkeypatch.setattr(cloud_samples, "run_modules", generate)
    cloud.beat()
    cloud.misses("smoke", 2, {EvidenceSource.TEACHER: 41})
    cloud.start()
    tab.open("/campaigns/new?modes=smoke.day-fog.missed", "#campaign-samples button")
    tab.page.click("#campaign-samples button:has-text('Generate 8 samples: smoke missed (day, fog)')")
    tab.wait_for_text("#campaign-samples", "Being generated: 8 hazards")
    generated.set()
    tab.wait_for_text("#campaign-samples", "4 hazards, 3 with a label")
    tab.page.wait_for_function("document.querySelector('#campaign-samples img').naturalWidth === 996")
    assert "a photo of smoke" in tab.text("#campaign-samples li")
    assert tab.violations == []


def test_models_are_compared_with_what_is_worse_in_red(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.trained()
    cloud.released()
    cloud.start()
    tab.open(f"/campaigns/{cloud.campaign}/comparison", "#comparison-holdout table")
    tab.wait_for_text("#comparison-result", "4 measures worse than the parent")
    assert tab.page.locator("#comparison-holdout tr.worse").count() == 4
    assert "0.25 0.07–0.64" in tab.text("#comparison-shadow")
    assert tab.violations == []


def test_a_downgrade_ticket_is_signed_after_a_question_and_withdrawn(cloud: FilledCloud, tab: Tab) -> None:
    cloud.released()
    cloud.beat()
    cloud.start()
    tab.open(f"/models/{OLD}", "#model-ticket button:has-text('Sign a ticket')")
    tab.wait_for_text("#model-ticket", "It has no ticket.")
    tab.wait_for_text("#lineage", "north")
    tab.page.click("#model-ticket button:has-text('Sign a ticket')")
    tab.wait_for_text(".q-dialog", "Every site may go back once")
    tab.page.click(".q-dialog button:has-text('Sign the ticket')")
    tab.wait_for_text("#model-ticket", "Ticket 1: every site")
    tab.page.click("#model-ticket button:has-text('Withdraw the ticket')")
    tab.page.click(".q-dialog button:has-text('Withdraw the ticket')")
    tab.wait_for_text("#model-ticket", "It has no ticket.")
    assert tab.violations == []


def test_the_gallery_is_limited_to_a_label_by_its_address_and_by_a_link(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open(f"/campaigns/{cloud.campaign}/images?label=flood", "#gallery .empty")
    tab.page.click("#gallery a.filter:text-is('fire')")
    tab.page.wait_for_selector("#gallery [data-image]")
    assert "label=fire" in tab.page.url
    assert tab.page.locator("#gallery [data-image]").count() == 45, "refused images have no label"
    assert tab.violations == []


def test_images_are_reviewed_by_keys_and_a_review_is_taken_back(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open(f"/campaigns/{cloud.campaign}/images?kept=yes", "#gallery [data-image]")
    assert tab.page.locator("#gallery [data-image]").count() == 45
    assert tab.page.locator("#gallery .boxes rect").count() == 45
    tab.page.click("#gallery [data-image] >> nth=1")
    tab.page.wait_for_function(
        "[...document.querySelectorAll('#whole-image img[src*=\"/campaign-images/\"]')]"
        ".filter(i => i.naturalWidth).length === 3"
    )
    tab.page.keyboard.press("r")
    tab.wait_for_text("#whole-image", "a fire at night")
    tab.wait_for_text("#whole-image", "strength 40.00")
    tab.wait_for_text("#whole-image dd", "rejected by")
    tab.page.keyboard.press("u")
    tab.wait_for_text("#whole-image dd", "–")
    tab.page.keyboard.press("ArrowRight")
    tab.wait_for_text("#whole-image dd", "0002")
    assert tab.violations == []


def test_the_thumbnails_of_a_campaign_follow_its_newest_images_past_500(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.generate(500, offset=60)
    cloud.start()
    tab.open(f"/campaigns/{cloud.campaign}", "#campaign-images img[alt='synthetic image 0558']")
    assert tab.page.locator("#campaign-images figure.kept").count() == 21
    cloud.generate(4, offset=560)
    tab.page.wait_for_selector("#campaign-images figure.kept img[alt='synthetic image 0562']")
    tab.page.wait_for_selector("#campaign-images figure.refused img[alt='synthetic image 0563/0#140']")
    assert tab.violations == []


def test_a_running_campaign_can_only_be_cancelled_and_is_asked_about_before(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    cloud.start()
    tab.open(f"/campaigns/{cloud.campaign}", "#campaign button:visible")
    assert tab.page.locator("#campaign button:visible").all_inner_texts() == ["Cancel"]
    tab.wait_for_text("#campaign-log", "epoch 2 of 5, loss 1.31")
    tab.page.click("#campaign button:has-text('Cancel')")
    tab.page.click(".q-dialog button:has-text('Back')")
    tab.page.wait_for_selector(".q-dialog__inner", state="detached")
    assert cloud.rows.get(cloud.campaign).state == "running"
    assert tab.violations == []
