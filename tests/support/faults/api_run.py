"""A running cloud with sites, evidence and a campaign, to which generated requests are sent."""

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from pydantic import SecretStr

from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings, FailureModeSettings, StoreSettings
from messaging.blobs import digest_of
from messaging.resources import CampaignRequest, CampaignResource, FailureModeResource
from tests.support.cloud.running_cloud import FIRST, RunningCloud, running_cloud
from tests.support.cloud.sample_reports import misdetection, tally
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.faults.api_cases import ApiTally, send_cases
from tests.support.messaging.samples import HAZARD
from tests.support.waiting import wait_until

SITES = ("harbour", "tunnel")
ANSWER_WITHIN_S = 3600.0


def answers_of_cloud(
    data: Path, *, cases: int, store_url: str | None = None, first_seed: int = 0
) -> ApiTally:
    """Start a cloud in `data`, send it `cases` requests from another process, and stop it.

    From another process, as hypothesis sets the seed of the random generator that a cloud's threads use.
    """
    settings = CloudSettings(
        data=data,
        api=ApiSettings(port=0),
        store=StoreSettings(url=None if store_url is None else SecretStr(store_url)),
        failure_modes=FailureModeSettings(refresh_s=0.5),
    )
    with running_cloud(settings, lambda _: ScriptedStages(), sites=SITES) as cloud:
        known = [*SITES, digest_of(FIRST), *_filled(cloud)]
        url = json.loads(settings.folder.address.read_text())["url"]
        token = settings.folder.token.read_text()
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            sending = pool.submit(send_cases, url, token, cases=cases, known=known, first_seed=first_seed)
            return sending.result(ANSWER_WITHIN_S)


def _filled(cloud: RunningCloud) -> list[str]:
    """Store evidence, a hazard and a campaign; the ids of failure modes and campaign."""
    wait_until(lambda: len(cloud.sites) == len(SITES))
    cloud.report("harbour", *[misdetection(model_digest=digest_of(FIRST)) for _ in range(12)], HAZARD)
    cloud.report("harbour", tally(model_digest=digest_of(FIRST)))
    with cloud.client() as client:
        wait_until(lambda: len(client.page("failure-modes", FailureModeResource)) > 0, 30.0)
        modes = [mode.id for mode in client.page("failure-modes", FailureModeResource)]
        campaign = client.send("POST", "campaigns", CampaignResource, CampaignRequest(count=3, seed=1))
    return [*modes, campaign.id]
