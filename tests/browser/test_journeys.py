"""Whole journeys in a real browser, from what a person notices to what it has become at the sites.

The cloud's workflows, rollouts and API are real; images and training are scripted, and so are the sites.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud.campaigns.outputs import TrainOutput
from cloud.campaigns.stage import Stage, StageResult, StageWork
from cloud.parts import CloudParts
from cloud.settings import RolloutSettings, TriggerRule
from messaging.access_resources import NewUser, UserChange, UserRole
from messaging.blobs import digest_of
from messaging.reports import EvidenceSource
from tests.browser.dialogs import settle
from tests.browser.page_figures import serious_findings
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.running_cloud import RunningCloud, running_cloud
from tests.support.cloud.sample_reports import MODE
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.dashboards.chromium import BROWSER_TEST, PageProcess, Tab, fill_in_login
from tests.support.edge_campaigns import (
    CANDIDATE,
    HERE,
    SITES,
    real_edge_stages,
    settings,
    with_evidence,
)
from tests.support.waiting import wait_until

pytestmark = BROWSER_TEST
PASSWORD, OTHER_PASSWORD = "correct horse battery", "another horse battery"
NEW_MODEL = digest_of(CANDIDATE)
POTHOLE = "pothole missed (night, rain)"
Following = Callable[..., Any]


@pytest.fixture
def following(chromium: Any, tmp_path: Path) -> Following:
    """A running cloud with evidence of one failure mode, and a tab on its pages."""

    @contextmanager
    def opened(
        stages: Callable[[CloudParts], ScriptedStages], **changes: object
    ) -> Iterator[tuple[RunningCloud, Tab]]:
        with running_cloud(settings(tmp_path, **changes), stages, sites=SITES) as cloud:
            with_evidence(cloud)
            process = PageProcess(cloud.settings.data)
            tab = Tab(chromium, process)
            try:
                yield cloud, tab
            finally:
                tab.page.close()
                process.stop()

    return opened


def test_a_trainer_follows_a_failure_mode_to_a_model_at_every_site(following: Following) -> None:
    trained = threading.Event()

    def train(work: StageWork) -> StageResult:
        work.progress(0.4, "epoch 2 of 5, loss 1.31")
        wait_until(trained.is_set)
        return StageResult(TrainOutput(bundle_digest=NEW_MODEL, weights_digest=NEW_MODEL))

    def stages(parts: CloudParts) -> ScriptedStages:
        return real_edge_stages(parts, train=Stage(train, TrainOutput))

    asked = RolloutSettings(hold_s=0.0, phase_deadline_s=120.0, approval_before=("all",))
    with following(stages, rollout=asked) as (cloud, tab):
        tab.open("/", "#worst-modes a")
        tab.page.click(f"#worst-modes a:has-text('{POTHOLE}')")
        tab.page.click("#failure-mode button:has-text('Plan a campaign')")
        tab.wait_for_text("#campaign-approval", f"images for {POTHOLE}")
        tab.page.click("button:has-text('Start the campaign')")
        tab.wait_for_text("#campaign .now", "epoch 2 of 5, loss 1.31")
        trained.set()
        tab.wait_for_text("#campaign-rollouts", "all awaits approval")
        tab.page.click("#comparison a:has-text('side by side')")
        tab.wait_for_text("#comparison-shadow", "harbour")
        tab.wait_for_text("#comparison-result", "nothing is worse")
        tab.page.click("#comparison-result a:has-text('The campaign')")
        tab.page.click("#campaign-rollouts tr:has-text('awaits approval') a")
        assert cloud.sites["tunnel"].model == HERE
        tab.page.click("#rollout button:has-text('Approve')")
        tab.page.click(".dialog button:has-text('Approve')")
        tab.wait_for_text("#rollout .pill", "done")
        assert [tab.row("rollout-sites", site).split()[2] for site in SITES] == ["running"] * 3
        assert {site.model for site in cloud.sites.values()} == {NEW_MODEL}
        tab.page.click(f"#rollout a:has-text('{NEW_MODEL}')")
        tab.wait_for_text("#model", "harbour, quay, tunnel")
        tab.page.click("nav a:has-text('Failure modes')")
        tab.wait_for_text(f"#failure-modes .ag-row[row-id='{MODE}'] .pill", "closed")
        assert tab.violations == []


def test_a_trainer_approves_the_campaign_of_a_rule_takes_its_model_back_and_rolls_it_out_again(
    following: Following,
) -> None:
    rule = TriggerRule(name="potholes", min_count=20, min_sites=2, window_hours=1e6)
    with following(real_edge_stages, triggers=(rule,)) as (cloud, tab):
        tab.open("/campaigns", "#campaigns .ag-row")
        tab.wait_for_text("#campaigns .pill", "awaiting approval")
        tab.page.click("#campaigns .ag-row a")
        tab.wait_for_text("#campaign", "by rule:potholes")
        tab.page.click("#campaign button:has-text('Approve')")
        tab.wait_for_text("#campaign .pill", "done")
        assert {site.model for site in cloud.sites.values()} == {NEW_MODEL}
        tab.page.click("#campaign-rollouts tr:has-text('service') a")
        tab.page.click("#rollout button:has-text('Roll back')")
        tab.wait_for_text(".dialog", "ordered back to the previous one")
        tab.page.click(".dialog button:has-text('Roll back')")
        tab.wait_for_text("#rollout .pill", "rolled back")
        assert {site.model for site in cloud.sites.values()} == {HERE}
        tab.wait_for_text("#rollout-history", "ordered back")
        tab.page.click(f"#rollout a:has-text('{NEW_MODEL}')")
        tab.page.click("#model button:has-text('Start a rollout')")
        tab.page.click(".dialog button:has-text('Start a rollout')")
        tab.wait_for_text("#rollout .pill", "done")
        assert {site.model for site in cloud.sites.values()} == {NEW_MODEL}
        tab.page.click(f"#rollout a:has-text('{NEW_MODEL}')")
        tab.wait_for_text("#model", "harbour, quay, tunnel")
        tab.page.wait_for_selector("#model button:has-text('Start a rollout')", state="hidden")
        assert tab.violations == []


def test_an_operator_handles_a_hazard_from_its_first_report_to_its_end(cloud: FilledCloud, tab: Tab) -> None:
    cloud.beat()
    cloud.start()
    tab.open("/", "#latest-hazards .empty")
    cloud.hazard("smoke", 4, began_s=1)
    tab.page.click("#latest-hazards a:has-text('smoke')")
    tab.wait_for_text("#hazard .pill", "open")
    tab.page.click("#hazard button:has-text('Acknowledge')")
    tab.wait_for_text("#hazard .pill", "acknowledged")
    tab.page.click("#hazard button:has-text('Resolve')")
    tab.wait_for_text("#hazard .pill", "resolved")
    tab.page.click("nav a:has-text('Hazards')")
    tab.page.click("[aria-label='Handled']")
    tab.page.click(".q-item:has-text('resolved')")
    tab.page.wait_for_url("**/hazards?status=resolved")
    tab.page.wait_for_function("document.querySelectorAll('#hazards .ag-row').length === 1")
    tab.page.click("#hazards .ag-row a:has-text('smoke')")
    tab.page.click("#hazard button:has-text('False alarm')")
    tab.wait_for_text("#hazard .pill", "false alarm")
    tab.page.wait_for_selector("#hazard button:visible", state="detached")
    assert tab.violations == []


def test_an_engineer_enrols_a_site_and_sees_its_first_heartbeat(cloud: FilledCloud, tab: Tab) -> None:
    cloud.start()
    tab.open("/sites", "#sites-card .empty")
    tab.page.click("button:has-text('Enrol a site')")
    tab.page.fill(".dialog input", "north")
    tab.page.click(".dialog button:has-text('Enrol')")
    tab.page.click(".dialog button:has-text('Close')")
    tab.page.click("#sites a:has-text('north')")
    tab.wait_for_text("#site pre", "blindspot-edge gate --config gate.yaml")
    cloud.beat()
    tab.wait_for_text("#site .pill", "online")
    tab.page.wait_for_selector("#site pre", state="detached")
    assert re.match("bridge .*north .*connected", tab.row("cameras", "north/bridge"))
    tab.page.click("nav a:has-text('Overview')")
    tab.wait_for_text("#overview", "2 of 2")
    assert tab.violations == []


def test_an_admin_renames_a_group_from_the_sites_of_it(cloud: FilledCloud, tab: Tab) -> None:
    cloud.beat()
    for site, group in (("north", "uphill"), ("south", "harbour")):
        cloud.reports.group_site(site, group)
    cloud.start()
    tab.open("/sites", "#sites .ag-row")
    assert tab.page.query_selector("button:has-text('Rename this group')") is None
    tab.open("/sites?group=uphill", "#sites .ag-row")
    for wanted in ("harbour", "hill"):
        tab.page.click("button:has-text('Rename this group')")
        tab.page.fill(".dialog input[aria-label='Name of the group']", wanted)
        tab.page.click(".dialog button:has-text('Rename')")
        tab.wait_for_text(".q-notification", "harbour already" if wanted == "harbour" else "is hill now")
    tab.page.wait_for_url("**/sites?group=hill")
    assert "hill" in tab.row("sites", "north")
    assert {site.site: site.site_group for site in cloud.reports.sites()} == {
        "north": "hill",
        "south": "harbour",
    }
    assert tab.violations == []


def test_the_groups_of_a_user_are_chosen_from_those_that_exist(cloud: FilledCloud, tab: Tab) -> None:
    cloud.reports.add_site("north")
    cloud.reports.group_site("north", "uphill")
    cloud.accounts.add_user(NewUser(name="ana", role=UserRole.VIEWER, password=PASSWORD))
    cloud.start()
    tab.open("/settings/users", "#users .ag-row")
    tab.page.click("[aria-label='Change ana']")
    tab.page.fill(".dialog input[aria-label^='Site groups']", "hill")
    tab.wait_for_text(".dialog", "No site is in hill: the user sees none of it until one is.")
    tab.page.fill(".dialog input[aria-label^='Site groups']", "")
    tab.page.click(".dialog [aria-label='Add a site group']")
    tab.page.click(".q-item:has-text('uphill')")
    tab.page.wait_for_function(
        "document.querySelector(\".dialog input[aria-label^='Site groups']\").value === 'uphill'"
    )
    tab.page.click(".dialog button:has-text('Save')")
    tab.wait_for_text("#users .ag-row", "uphill")
    assert [user.groups for user in cloud.accounts.users()] == [("uphill",)]
    assert tab.violations == []


WIZARD = "/campaigns/new?modes=smoke.day-fog.missed&count=24"


def add_people(cloud: FilledCloud) -> None:
    """A viewer and a trainer, and a failure mode to choose."""
    for role in (UserRole.VIEWER, UserRole.TRAINER):
        cloud.accounts.add_user(NewUser(name=f"one-{role}", role=role, password=PASSWORD))
    cloud.beat()
    cloud.misses("smoke", 2, {EvidenceSource.TEACHER: 41})
    cloud.start()


def test_a_viewer_cannot_start_what_a_trainer_can(
    cloud: FilledCloud, tab: Tab, chromium: Any, page_process: PageProcess
) -> None:
    add_people(cloud)
    tab.log_in("one-trainer", PASSWORD)
    tab.open(WIZARD, "#campaign-approval")
    tab.wait_for_text("#campaign-approval", "24 images for smoke missed (day, fog)")
    assert tab.page.locator("text=Start the campaign").count() == 1
    viewer = Tab(chromium, page_process)
    viewer.log_in("one-viewer", PASSWORD)
    viewer.open("/failure-modes", "#failure-modes .ag-row")
    viewer.open(WIZARD, "#campaign-new")
    assert "Campaigns are started by trainers" in viewer.text("#campaign-new")
    assert viewer.page.locator("text=Start the campaign").count() == 0
    viewer.page.close()


def test_a_session_that_ends_in_the_wizard_loses_nothing_that_was_typed(cloud: FilledCloud, tab: Tab) -> None:
    add_people(cloud)
    tab.log_in("one-trainer", PASSWORD)
    tab.open(WIZARD, "#campaign-approval")
    tab.wait_for_text("#campaign-approval", "24 images for smoke missed (day, fog)")
    cloud.accounts.change_user("one-trainer", UserChange(password=OTHER_PASSWORD))
    tab.page.fill("[aria-label='Images for each failure mode']", "30")
    tab.wait_for_text("[role=alert]", "the session has ended; log in again")
    with tab.page.expect_popup() as opened:
        tab.page.click(".dialog a:has-text('Log in in another tab')")
    fill_in_login(opened.value, "one-trainer", OTHER_PASSWORD)
    tab.page.wait_for_selector("[role=alert].lost", state="detached")
    assert tab.page.input_value("[aria-label='Images for each failure mode']") == "30"
    tab.page.reload()
    tab.wait_for_text("#campaign-approval", "30 images for smoke missed (day, fog)")


def test_what_a_dialog_was_filled_with_is_sent_after_a_login_over_the_page(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.accounts.add_user(NewUser(name="one-admin", role=UserRole.ADMIN, password=PASSWORD))
    cloud.start()
    tab.log_in("one-admin", PASSWORD)
    tab.open("/settings/users", "#users .ag-row")
    tab.page.click("button:has-text('Add a user')")
    tab.page.fill(".dialog input[aria-label='Name']", "ana")
    tab.page.fill(".dialog input[aria-label='First password']", PASSWORD)
    cloud.accounts.change_user("one-admin", UserChange(password=OTHER_PASSWORD))
    password = "input[aria-label='Password of one-admin']"
    tab.page.wait_for_selector(password)
    settle(tab.page)
    assert list(serious_findings(tab.page, "the login over a page", within=".q-dialog")) == []
    tab.page.click("button:has-text('Later')")
    tab.page.click(".dialog button:has-text('Add')")
    tab.page.fill(password, PASSWORD)
    tab.page.click(".dialog button:has-text('Log in')")
    tab.wait_for_text(".dialog .q-field__messages", "name or password is wrong")
    assert [user.name for user in cloud.accounts.users()] == ["one-admin"]
    tab.page.fill(password, OTHER_PASSWORD)
    tab.page.click(".dialog button:has-text('Log in')")
    tab.page.wait_for_selector("#users .ag-row[row-id=ana]")
    tab.page.wait_for_selector("[role=alert].lost", state="detached")
    assert tab.violations == []
