"""Journeys with a real site: its broker, gate and node are started by the commands that its page shows.

Images and training of the campaign are scripted; everything else is real.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cloud.settings import CampaignSettings, PromotionSettings, RolloutSettings
from messaging.blobs import digest_of
from messaging.resources import SiteResource
from tests.support.cloud.running_cloud import RunningCloud, running_cloud
from tests.support.dashboards.chromium import BROWSER_TEST, PageProcess, Tab
from tests.support.edge.started_site import (
    CANDIDATE,
    DETECTOR,
    NODE,
    ONLY_ON_REQUEST,
    release_detector_and_teacher,
    started_site,
)
from tests.support.edge.tiny_bundles import tiny_bundle
from tests.support.edge_campaigns import Candidate, real_edge_stages, settings

pytestmark = [*BROWSER_TEST, pytest.mark.broker]
TRAINED = Candidate(tiny_bundle(CANDIDATE), CANDIDATE)
FIRE = "fire missed (night, fog)"
Enrolling = Callable[[Mapping[str, str]], Any]


@pytest.fixture
def enrolling(chromium: Any, tmp_path: Path) -> Enrolling:
    """A running cloud with a real hub; its first site is enrolled on the page and started as that says."""

    @contextmanager
    def opened(node: Mapping[str, str]) -> Iterator[tuple[RunningCloud, Tab]]:
        chosen = settings(
            tmp_path / "blindspot-data",
            rollout=RolloutSettings(hold_s=0.0, phase_deadline_s=120.0),
            campaign=CampaignSettings(shadow_deadline_s=120.0, verify_deadline_s=1.0, poll_s=0.2),
            promotion=PromotionSettings(enough_tracks=1, significance=False, latency_ratio=1000.0),
        )
        stages = partial(real_edge_stages, candidate=TRAINED)
        with running_cloud(
            chosen, stages, first_models=release_detector_and_teacher, embedded_hub=True
        ) as cloud:
            process = PageProcess(chosen.data)
            tab = Tab(chromium, process)
            try:
                with started_site(tmp_path, commands_of_new_site(tab), node):
                    yield cloud, tab
            finally:
                tab.page.close()
                process.stop()

    return opened


def commands_of_new_site(tab: Tab) -> list[str]:
    """The commands that the page shows after a site was enrolled there; its page is open then."""
    tab.open("/sites", "#sites-card .empty")
    tab.page.click("button:has-text('Enrol a site')")
    tab.page.fill(".dialog input", "north")
    tab.page.click(".dialog button:has-text('Enrol')")
    commands: list[str] = tab.page.inner_text(".dialog pre").splitlines()
    tab.page.click(".dialog button:has-text('Close')")
    tab.page.click("#sites a:has-text('north')")
    return commands


def model_of_site(cloud: RunningCloud) -> str | None:
    """The digest of the model that the site's last heartbeat names."""
    with cloud.client() as client:
        (site,) = client.page("sites", SiteResource)
    return site.model_digest


def test_a_hazard_that_a_person_marks_as_missed_at_a_new_site_becomes_a_failure_mode(
    enrolling: Enrolling,
) -> None:
    with enrolling(NODE | ONLY_ON_REQUEST) as (_, tab):
        tab.wait_for_text("#site .pill", "online")
        tab.page.wait_for_selector("#cameras .ag-row[row-id='north/yard']")
        tab.page.click("nav a:has-text('Hazards')")
        tab.page.click("#hazards a:has-text('smoke')")
        tab.wait_for_text("#hazard", "north / yard")
        tab.page.click("nav a:has-text('Failure modes')")
        tab.page.wait_for_selector("#failure-modes-card .empty")
        tab.page.click("nav a:has-text('Hazards')")
        tab.page.click("button:has-text('A hazard was missed')")
        tab.page.click(".dialog [aria-label='Hazard class']")
        tab.page.click(".q-item:has-text('fire')")
        tab.page.click(".dialog button:has-text('Report')")
        tab.wait_for_text("#missed .pill", "confirmed")
        tab.page.click("nav a:has-text('Failure modes')")
        tab.page.click(f"#failure-modes a:has-text('{FIRE}')")
        tab.page.wait_for_selector("#failure-mode dd:text-is('operator 1')")
        tab.wait_for_text("#failure-mode", "north/yard")
        assert tab.violations == []


@pytest.mark.slow
def test_a_campaign_changes_the_model_of_a_real_site_and_a_person_changes_it_back(
    enrolling: Enrolling,
) -> None:
    with enrolling(NODE) as (cloud, tab):
        tab.wait_for_text("#site .pill", "online")
        tab.page.click("nav a:has-text('Failure modes')")
        tab.page.click(f"#failure-modes a:has-text('{FIRE}')")
        assert model_of_site(cloud) == digest_of(tiny_bundle(DETECTOR))
        tab.page.click("#failure-mode button:has-text('Plan a campaign')")
        tab.wait_for_text("#campaign-approval", f"images for {FIRE}")
        tab.page.click("button:has-text('Start the campaign')")
        tab.wait_for_text("#campaign .pill", "done")
        assert model_of_site(cloud) == TRAINED.digest
        tab.page.click("#campaign-rollouts tr:has-text('service') a")
        tab.wait_for_text("#rollout .pill", "done")
        tab.page.click("#rollout button:has-text('Roll back')")
        tab.page.click(".dialog button:has-text('Roll back')")
        tab.wait_for_text("#rollout .pill", "rolled back")
        tab.wait_for_text("#rollout-sites .ag-row[row-id='north']", "rolled back")
        assert model_of_site(cloud) == digest_of(tiny_bundle(DETECTOR))
        assert tab.violations == []
