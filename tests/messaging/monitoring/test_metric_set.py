"""The metrics of a program and the page that shows them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from messaging.monitoring.health_api import ReadinessReport, health_api
from messaging.monitoring.metric_set import MetricSet


def test_what_is_declared_is_what_a_scrape_shows() -> None:
    metrics = MetricSet("example")
    metrics.counter("events", "Events", "kind").labels("a").inc(2)
    metrics.gauge("waiting", "Waiting").set(3)
    metrics.histogram("work_seconds", "Work", buckets=(1, 2)).observe(1.5)
    metrics.mirrored_counter("bytes", "Bytes", "type").set(7, "hazard")
    families = {f.name: f for f in text_string_to_metric_families(metrics.exposition().decode())}
    shown = {f"{f.name}_total" if f.type == "counter" else f.name: f.type for f in families.values()}
    for declared in metrics.declarations:
        assert shown[declared.name] == declared.kind
        assert families[declared.name.removesuffix("_total")].documentation == declared.text
    assert families["example_bytes"].samples[0].value == 7
    assert "process_resident_memory_bytes" in families
    assert not [name for name in families if name.endswith("_created")]


def test_a_counter_with_other_labels_than_declared_is_refused() -> None:
    counter = MetricSet("example").mirrored_counter("bytes", "Bytes", "type")
    with pytest.raises(ValueError, match=r"has the labels \('type',\); got"):
        counter.set(1.0)


def test_a_program_that_cannot_work_says_why_without_the_secrets_of_addresses() -> None:
    reasons = ["camera rtsp://admin:secret@10.0.0.5/live refuses the connection"]
    app = health_api(lambda: ReadinessReport(reasons, {"threads": {}}), lambda: b"up 1\n")
    page = TestClient(app)
    answer = page.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert "secret" not in answer.text
    assert "refuses the connection" in answer.json()["reasons"][0]
    assert page.get("/healthz").status_code == 200
    reasons.clear()
    assert page.get("/readyz").json() == {"ready": True, "reasons": [], "threads": {}}
    assert page.get("/version").json()["version"]
    assert page.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
    assert [page.post(path).status_code for path in ("/readyz", "/metrics")] == [405, 405]
    assert page.get("/openapi.json").status_code == 404
