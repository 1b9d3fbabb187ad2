"""The REST API of a running cloud: its resources, who is authorised, and how it refuses."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from cloud.api.client import RemoteCloud
from cloud.campaigns.stage import StageResult, StageWork
from cloud.errors import NotKnown, NotNow
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings, FailureModeSettings, StoreSettings
from cloud.store.records import SyntheticImage
from messaging.api.campaign_plans import CampaignPlanResource
from messaging.blobs import digest_of
from messaging.release_resources import ModelResource
from messaging.reports import EvidenceSource, Misdetection
from messaging.resources import (
    AssignRequest,
    CampaignRequest,
    CampaignResource,
    FailureModeResource,
    HazardResource,
    ImageResource,
    LedgerResource,
    OverviewResource,
    SiteResource,
)
from tests.support.cloud.postgres import PostgresServer
from tests.support.cloud.running_cloud import FIRST, RunningCloud, running_cloud
from tests.support.cloud.sample_reports import FOR_EVER, MODE, misdetection, tally
from tests.support.cloud.scripted_stages import ScriptedStages, quick
from tests.support.messaging.samples import HAZARD
from tests.support.waiting import wait_until

HERE = digest_of(FIRST)


def slow(work: StageWork) -> StageResult:
    work.pause(20.0)
    return quick(work)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    settings = CloudSettings(
        data=tmp_path_factory.mktemp("cloud"),
        api=ApiSettings(port=0),
        failure_modes=FailureModeSettings(refresh_s=0.2, window_days=36500),
        retention=FOR_EVER,
    )
    with running_cloud(settings, lambda _: ScriptedStages(train=slow), sites=("harbour", "tunnel")) as up:
        wait_until(lambda: len(up.sites) == 2)
        evidence = [misdetection(model_digest=HERE) for _ in range(12)]
        up.report("harbour", *evidence, tally(model_digest=HERE), HAZARD)
        up.report("tunnel", *evidence[:3], _unknown())
        with up.client() as client:
            wait_until(lambda: len(client.page("failure-modes", FailureModeResource)) == 2)
        yield up


def _unknown() -> Misdetection:
    return misdetection(model_digest=HERE, class_name="unknown", evidence=EvidenceSource.MOTION)


@pytest.fixture
def client(cloud: RunningCloud) -> Iterator[RemoteCloud]:
    with cloud.client() as found:
        yield found


def raw(cloud: RunningCloud, path: str, **headers: str) -> httpx.Response:
    url = json.loads(cloud.settings.folder.address.read_text())["url"]
    return httpx.get(url + path, headers=headers, trust_env=False)


def token(cloud: RunningCloud) -> dict[str, str]:
    return {"Authorization": f"Bearer {cloud.settings.folder.token.read_text()}"}


@pytest.mark.parametrize("path", ["/api/v1/sites", "/api/v1/failure-modes", "/api/v1/campaigns"])
def test_a_request_without_the_token_is_refused(cloud: RunningCloud, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = raw(cloud, path, **headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert "bearer token" in answer.json()["detail"]


def test_the_token_is_a_file_that_only_its_owner_may_read(cloud: RunningCloud) -> None:
    assert stat.S_IMODE(cloud.settings.folder.token.stat().st_mode) == 0o600


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/version", "/metrics", "/openapi.json"])
def test_health_version_metrics_and_the_openapi_document_need_no_token(
    cloud: RunningCloud, path: str
) -> None:
    assert raw(cloud, path).status_code == 200


def test_metrics_count_reports_and_failure_modes(cloud: RunningCloud) -> None:
    text = raw(cloud, "/metrics").text
    assert 'blindspot_cloud_reports_total{kind="misdetection"}' in text
    assert 'blindspot_cloud_failure_modes{status="open"}' in text


def test_sites_run_the_first_model_because_they_were_ordered_to(client: RemoteCloud) -> None:
    wait_until(lambda: all(s.model_digest == HERE for s in client.page("sites", SiteResource)))
    model = client.get(f"models/{HERE[:8]}", ModelResource)
    assert (model.channel, model.version, set(model.sites)) == ("service", 1, {"harbour", "tunnel"})


def test_the_overview_counts(client: RemoteCloud) -> None:
    found = client.get("overview", OverviewResource)
    assert (found.sites, found.sites_online, found.current_model) == (2, 2, HERE)


def test_a_failure_mode_has_its_evidence_and_estimated_recall(client: RemoteCloud) -> None:
    mode = client.get(f"failure-modes/{MODE}", FailureModeResource)
    assert (mode.count, set(mode.sites), mode.status) == (15, {"harbour", "tunnel"}, "open")
    assert (mode.recall.supported, mode.recall.detected) == (40, 10)
    assert mode.rate == pytest.approx(15 * 0.9 / 40)  # evidence counts with its probability
    assert mode.recall.low < 0.25 < mode.recall.high


def test_lists_come_in_pages_and_the_pages_join_without_gap_or_double(
    cloud: RunningCloud, client: RemoteCloud
) -> None:
    whole = [row.kind for row in client.page("ledger", LedgerResource)]
    pages = client.page("ledger", LedgerResource, limit=1)
    assert [row.kind for row in pages] == whole
    assert len(whole) > 2
    assert raw(cloud, "/api/v1/ledger?cursor=%21%21", **token(cloud)).status_code == 400
    assert raw(cloud, "/api/v1/hazards?cursor=Mw", **token(cloud)).status_code == 400


def test_hazards_and_ledger_hold_what_was_sent(client: RemoteCloud) -> None:
    assert [h.class_name for h in client.page("hazards", HazardResource)] == ["fire"]
    rows = {(r.site, r.kind): r for r in client.page("ledger", LedgerResource)}
    assert rows["harbour", "misdetection"].count == 12


def test_an_unknown_mode_is_assigned_by_an_operator_and_only_to_a_known_class(client: RemoteCloud) -> None:
    name = "unknown.night-rain.missed"
    with pytest.raises(NotNow, match="assign a class"):
        client.send("POST", "campaigns/plan", CampaignPlanResource, CampaignRequest(modes=(name,)))
    found = client.send(
        "POST", f"failure-modes/{name}/assign", FailureModeResource, AssignRequest(class_name="garbage")
    )
    assert found.assigned_class == "garbage"
    plan = client.send("POST", "campaigns/plan", CampaignPlanResource, CampaignRequest(modes=(name,)))
    assert plan.orders[0].class_name == "garbage"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("failure-modes/fire.day-clear.missed", "is not known"),
        ("campaigns/nope", "'nope' is not known"),
        ("models/ffffffffff", "not among the releases"),
        ("rollouts/nope", "is not known"),
        ("sites/nowhere", "is not known"),
        ("hazards/harbour/01J00000000000000000000000", "is not known"),
    ],
)
def test_what_is_not_there_is_refused_with_a_sentence(client: RemoteCloud, path: str, sentence: str) -> None:
    with pytest.raises(NotKnown, match=sentence):
        client.get(path, CampaignResource)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "sites/No%20site", 404),
        ("PUT", "sites/No%20site", 422),
        ("GET", "dead-letters?site=No%20site", 422),
    ],
    ids=["read", "made", "searched for"],
)
def test_nothing_is_at_an_address_that_no_object_can_have(
    cloud: RunningCloud, method: str, path: str, status: int
) -> None:
    url = json.loads(cloud.settings.folder.address.read_text())["url"]
    answer = httpx.request(method, f"{url}/api/v1/{path}", headers=token(cloud), trust_env=False)
    assert answer.status_code == status
    found = answer.json()["detail"]
    assert found.startswith("nothing has this address: site: use ") == (status == 404), found
    assert "site: use lower-case letters" in found


def test_a_plan_shows_its_orders_and_starts_nothing(client: RemoteCloud) -> None:
    plan = client.send("POST", "campaigns/plan", CampaignPlanResource, CampaignRequest(count=5, seed=1))
    assert plan.modes == (MODE,)
    assert plan.incumbent_digest == HERE
    assert [order.class_name for order in plan.orders] == ["pothole"]
    assert client.page("campaigns", CampaignResource) == []


def test_a_wrong_request_is_a_problem_document_that_names_the_field(cloud: RunningCloud) -> None:
    url = json.loads(cloud.settings.folder.address.read_text())["url"]
    for body, status, detail in (
        ({"count": -1}, 422, "count"),
        ({"options": {"epoch": 1}}, 409, "option 'epoch' is unknown"),
        ({"options": {"epochs": "many"}}, 409, "option 'epochs' is 'many'"),
        ({"options": {"learning_rate": -1}}, 409, "option 'learning_rate' is '-1'"),
    ):
        answer = httpx.post(f"{url}/api/v1/campaigns", json=body, headers=token(cloud), trust_env=False)
        assert answer.status_code == status
        assert detail in answer.json()["detail"]


def test_a_campaign_is_started_once_for_a_key_watched_cancelled_and_resumed(
    cloud: RunningCloud, client: RemoteCloud
) -> None:
    request = CampaignRequest(modes=(MODE,), count=4, seed=1)
    started = client.send("POST", "campaigns", CampaignResource, request, key="k1")
    assert client.send("POST", "campaigns", CampaignResource, request, key="k1").id == started.id
    with pytest.raises(NotNow, match="already"):
        client.send("POST", "campaigns", CampaignResource, request)
    wait_until(lambda: _stage(client, started.id, "train") == "running")
    assert client.get(f"failure-modes/{MODE}", FailureModeResource).status == "in_campaign"
    client.send("POST", f"campaigns/{started.id}/cancel", CampaignResource)
    events = list(client.watch(started.id))
    assert events[-1].state == "cancelled"
    assert {stage.stage for stage in events[-1].stages if stage.state == "done"} == {
        "plan",
        "synthesise",
        "filter",
    }
    assert client.get(f"failure-modes/{MODE}", FailureModeResource).status == "open"
    assert client.send("POST", f"campaigns/{started.id}/resume", CampaignResource).state == "queued"
    client.send("POST", f"campaigns/{started.id}/cancel", CampaignResource)
    wait_until(lambda: client.get(f"campaigns/{started.id}", CampaignResource).state == "cancelled")


def test_images_have_thumbnails_and_nothing_else_of_the_disk(
    cloud: RunningCloud, client: RemoteCloud
) -> None:
    assert cloud.parts is not None
    (campaign, *_) = client.page("campaigns", CampaignResource)
    folder = cloud.settings.folder.campaign(campaign.id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.jpg").write_bytes(b"\xff\xd8jpeg")
    inside = (folder / "a.jpg").relative_to(cloud.settings.data).as_posix()
    cloud.parts.campaign_rows.put_images(
        [
            SyntheticImage(campaign.id, "a", MODE, True, thumbnail=inside),
            SyntheticImage(campaign.id, "b", MODE, True, thumbnail="token"),
            SyntheticImage(campaign.id, "c", MODE, False, "duplicate"),
        ]
    )
    images = client.page(f"campaigns/{campaign.id}/images", ImageResource)
    assert [(image.kept, image.reason) for image in images] == [(True, ""), (True, ""), (False, "duplicate")]
    path = f"campaigns/{campaign.id}/images"
    newest = client.page(path, ImageResource, newest=True, limit=2)
    assert newest == images[::-1], "over both pages"
    both = raw(cloud, f"/api/v1/{path}?newest=true&duplicates=true", **token(cloud))
    assert (both.status_code, "group after group" in both.text) == (400, True)
    good, bad = (raw(cloud, str(image.thumbnail), **token(cloud)) for image in images[:2])
    assert (good.status_code, good.content) == (200, b"\xff\xd8jpeg")
    assert bad.status_code == 404
    shown = client.get(f"campaigns/{campaign.id}", CampaignResource)
    assert (shown.images_kept, shown.images_refused) == (2, {"duplicate": 1})


def _stage(client: RemoteCloud, campaign: str, stage: str) -> str:
    found = client.get(f"campaigns/{campaign}", CampaignResource)
    return next(s.state for s in found.stages if s.stage == stage)


def test_the_openapi_document_describes_every_route(cloud: RunningCloud) -> None:
    paths = raw(cloud, "/openapi.json").json()["paths"]
    for path in ("sites", "cameras", "hazards", "failure-modes", "campaigns", "models", "rollouts", "ledger"):
        assert f"/api/v1/{path}" in paths


def test_the_address_file_is_removed_when_the_cloud_stops(tmp_path: Path) -> None:
    settings = CloudSettings(data=tmp_path, api=ApiSettings(port=0))
    with running_cloud(settings, lambda _: ScriptedStages()):
        assert settings.folder.address.exists()
    assert not settings.folder.address.exists()


def test_a_cloud_runs_on_postgresql(tmp_path: Path, postgres: PostgresServer) -> None:
    settings = CloudSettings(
        data=tmp_path,
        api=ApiSettings(port=0),
        store=StoreSettings(url=SecretStr(postgres.new_database())),
        failure_modes=FailureModeSettings(refresh_s=0.2, window_days=36500),
        retention=FOR_EVER,
    )
    with (
        running_cloud(settings, lambda _: ScriptedStages(), sites=("harbour",)) as up,
        up.client() as client,
    ):
        wait_until(lambda: up.sites)
        up.report("harbour", misdetection(model_digest=HERE), tally(model_digest=HERE), HAZARD)
        wait_until(lambda: client.page("failure-modes", FailureModeResource))
        assert [site.site for site in client.page("sites", SiteResource)] == ["harbour"]
        assert [row.class_name for row in client.page("hazards", HazardResource)] == ["fire"]
    assert not settings.folder.store.exists()
