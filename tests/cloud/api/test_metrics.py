"""The cloud's metrics: facts of the store at every scrape, and no label that grows with what is asked."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from cloud.api.gauges import scraped
from cloud.api.request_times import OTHER, UNMATCHED
from cloud.errors import StoreUnavailable
from cloud.store.records import Release, Rollout
from messaging.releases import Channel
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import MINUTE, NEW, OLD

Samples = dict[tuple[str, ...], float]


def samples(text: str) -> Samples:
    """Samples of the cloud by name, without the prefix, and label values in the order of their names."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = [value for _, value in sorted(sample.labels.items())]
            found[sample.name.removeprefix("blindspot_cloud_"), *labels] = sample.value
    return found


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[FilledCloud]:
    filled = FilledCloud(tmp_path / "cloud")
    filled.start()
    try:
        filled.fill()
        yield filled
    finally:
        filled.close()


def test_gauges_are_facts_of_the_store_so_that_a_restart_changes_none(cloud: FilledCloud) -> None:
    cloud.trained()
    description = {"class_names": ["fire"]}
    released = Release(NEW, Channel.SERVICE, "new", 9, 1, OLD, cloud.campaign, description, MINUTE)
    cloud.services.releases.put_release(released)
    sites = [{"site": "north", "group": "canary", "state": "running"}]
    state = {"channel": "service", "sites": [*sites, {"site": "south", "group": "all", "state": "waiting"}]}
    cloud.services.releases.put_rollout(
        Rollout("01R", cloud.campaign, NEW, OLD, "done", False, state, "", MINUTE, MINUTE)
    )
    before = samples(scraped(cloud.services).decode())
    assert before["sites", "offline"] + before["sites", "online"] == len(cloud.reports.sites())
    assert before["sites", "revoked"] == 0
    assert before["model_info", NEW, "detector"] == 1
    assert before["eval_recall", "fire", "day-clear", "holdout"] == 0.96
    assert before["rollout_sites", "running"] == before["rollout_sites", "waiting"] == 1
    assert (before["rollout_phase", "done"], before["rollout_phase", "halted"]) == (1, 0)
    assert before["synthetic_images_total", "", "kept"] == cloud.rows.image_counts()[True, ""] > 0
    assert before["synthetic_images_total", "duplicate", "refused"] > 0
    assert sum(value for name, value in before.items() if name[0] == "campaigns") == 1
    assert before["failure_modes", "open"] + before["failure_modes", "in_campaign"] > 0
    again = FilledCloud(cloud.folder.root)
    again.start()
    after = samples(scraped(again.services).decode())
    again.close()
    facts = ("sites", "model_info", "eval_recall", "rollout_sites", "synthetic_images_total", "campaigns")
    assert {k: v for k, v in after.items() if k[0] in facts} == {
        k: v for k, v in before.items() if k[0] in facts
    }


def test_without_a_store_its_gauges_are_absent_and_the_cloud_is_not_ready(
    cloud: FilledCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ("sites", "online") in samples(scraped(cloud.services).decode())

    def gone() -> None:
        raise StoreUnavailable("the database does not answer")

    monkeypatch.setattr(cloud.services.reports, "heartbeats", gone)
    found = samples(scraped(cloud.services).decode())
    assert found["ready",] == 0
    assert not [name for name in found if name[0] in ("sites", "failure_modes", "rollout_sites")]
    assert ("build_info", "0.1.0") in found or [name for name in found if name[0] == "build_info"]


def test_requests_with_invented_paths_and_methods_add_no_series(cloud: FilledCloud) -> None:
    client, rng = TestClient(cloud.app, raise_server_exceptions=False), random.Random(7)
    headers = {"Authorization": f"Bearer {cloud.token}"}
    for n in range(60):
        name = "".join(rng.choices("abcxyz0123%/.", k=12))
        client.request("".join(rng.choices("ABCDEFG", k=6)), f"/api/v1/{name}", headers=headers)
        client.get(f"/api/v1/campaigns/{n}-{rng.random()}", headers=headers)
        client.get(f"/{name}")
    text = client.get("/metrics").text
    routes = {
        s.labels["route"]: s.labels["method"]
        for family in text_string_to_metric_families(text)
        if family.name == "blindspot_cloud_api_requests"
        for s in family.samples
    }
    assert "/api/v1/campaigns/{campaign}" in routes
    assert UNMATCHED in routes
    known = set(client.get("/openapi.json").json()["paths"])
    assert set(routes) - known <= {UNMATCHED, "/openapi.json"}
    assert set(routes.values()) <= {"GET", "POST", OTHER}


def test_no_label_names_a_site_since_the_metrics_need_no_token(cloud: FilledCloud) -> None:
    text = TestClient(cloud.app).get("/metrics").text
    for site in cloud.reports.sites():
        assert f'"{site.site}"' not in text
