"""What the store decides in one transaction, on every database: active campaigns, and sites in quarantine."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud.errors import CampaignRefused, NotKnown
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import Database
from cloud.store.records import CampaignPlan, CampaignState
from cloud.store.report_store import ReportStore
from tests.support.cloud.sample_reports import misdetection, prototype, received, tally
from tests.support.messaging.samples import SHADOW

MODE = "a.day-clear.missed"
PLAN = CampaignPlan((MODE,), 5)


def test_of_eight_simultaneous_starts_of_a_failure_mode_one_is_queued(database: Database) -> None:
    store, together = CampaignStore(database), threading.Barrier(8)

    def start(number: int) -> str:
        together.wait(60)
        try:
            return store.create(f"C{number}", PLAN, started_by="test").id
        except CampaignRefused as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(start, range(8)))
    (started,) = store.recent()
    refused = f"failure mode {MODE} is in campaign {started.id} already; wait for it or cancel it"
    assert sorted(results) == sorted([started.id, *[refused] * 7])


def test_a_campaign_whose_modes_are_in_another_is_not_queued_again(database: Database) -> None:
    store = CampaignStore(database)
    store.create("C1", PLAN, started_by="test", state=CampaignState.AWAITING_APPROVAL)
    store.create("C2", PLAN, started_by="test")
    with pytest.raises(CampaignRefused, match="is in campaign C2 already"):
        store.queue("C1", only_from=[CampaignState.AWAITING_APPROVAL])
    assert store.get("C1").state is CampaignState.AWAITING_APPROVAL
    store.set_state("C2", CampaignState.FAILED, ended=True)
    assert not store.queue("C1", only_from=[CampaignState.CANCELLED])
    assert store.queue("C1", only_from=[CampaignState.AWAITING_APPROVAL])
    with pytest.raises(CampaignRefused, match="is in campaign C1 already"):
        store.refuse_busy([MODE])


def test_nothing_is_learned_from_a_quarantined_site_until_it_is_released(database: Database) -> None:
    store = ReportStore(database)
    shadow = SHADOW
    for site in ("harbour", "liar"):
        store.insert([received(one, site) for one in (misdetection(), tally(), prototype((1, 2)), shadow)])

    def learned() -> list[set[str]]:
        lists = (store.misdetections(), store.recall_counts(), store.prototypes(), store.shadow_reports())
        return [{row.site for row in rows} for rows in lists]

    assert store.quarantine_site("liar", True).quarantined
    assert learned() == [{"harbour"}] * 4
    assert not store.quarantine_site("liar", False).quarantined
    assert learned() == [{"harbour", "liar"}] * 4
    with pytest.raises(NotKnown, match="site 'nowhere' is not known"):
        store.quarantine_site("nowhere", True)
