"""Two people decide on one campaign at once: both get an answer or a sentence, and the campaign obeys."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from cloud.settings import TriggerRule
from messaging.resources import API_PREFIX, CampaignResource
from tests.support.cloud.running_cloud import RunningCloud, running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages, slow
from tests.support.edge_campaigns import SITES, settings, with_evidence
from tests.support.waiting import wait_until

RULE = TriggerRule(name="potholes", min_count=20, min_sites=2, window_hours=1e6)


class Desk:
    """A cloud whose first stage waits until it is stopped, with a campaign that awaits approval."""

    def __init__(self, cloud: RunningCloud) -> None:
        folder = cloud.settings.folder
        self.cloud, self._url = cloud, json.loads(folder.address.read_text())["url"] + API_PREFIX
        self._headers = {"Authorization": f"Bearer {folder.token.read_text().strip()}"}
        wait_until(lambda: self.states() == ["awaiting_approval"], 60.0)
        self.campaign = self._campaigns()[0].id

    def states(self) -> list[str]:
        return [campaign.state for campaign in self._campaigns()]

    def at_once(self, *actions: str) -> list[httpx.Response]:
        """The answers to the actions, which are sent from as many threads at the same moment."""
        barrier = threading.Barrier(len(actions))

        def send(action: str) -> httpx.Response:
            with httpx.Client(headers=self._headers, trust_env=False, timeout=60.0) as client:
                barrier.wait(60.0)
                return client.post(f"{self._url}/campaigns/{self.campaign}/{action}")

        with ThreadPoolExecutor(len(actions)) as pool:
            return list(pool.map(send, actions))

    def _campaigns(self) -> list[CampaignResource]:
        with self.cloud.client() as client:
            return list(client.page("campaigns", CampaignResource))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    stages = ScriptedStages(plan=slow)
    with running_cloud(settings(tmp_path, triggers=(RULE,)), lambda _: stages, sites=SITES) as cloud:
        with_evidence(cloud)
        yield Desk(cloud)


def test_of_two_approvals_one_starts_the_campaign_and_the_other_gets_a_sentence(desk: Desk) -> None:
    first, second = sorted(desk.at_once("approve", "approve"), key=lambda answer: answer.status_code)
    assert (first.status_code, second.status_code) == (200, 409)
    sentence = second.json()["detail"]
    assert sentence.startswith(f"campaign {desk.campaign} does not wait for approval; it is ")
    assert desk.at_once("cancel")[0].status_code == 200
    wait_until(lambda: desk.states() == ["cancelled"], 60.0)


def test_a_campaign_that_is_approved_and_cancelled_at_once_is_cancelled(desk: Desk) -> None:
    approved, cancelled = desk.at_once("approve", "cancel")
    assert cancelled.status_code == 200  # a campaign that waits, is queued or runs can be cancelled
    if approved.status_code != 200:
        assert approved.status_code == 409
        sentence = approved.json()["detail"]
        assert sentence == f"campaign {desk.campaign} does not wait for approval; it is cancelled"
    wait_until(lambda: desk.states() == ["cancelled"], 60.0)
