"""Traces of the cloud, with the SDK's own in-memory exporter and against a collector that a test plays."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import ProxyTracerProvider, StatusCode, get_tracer_provider
from pydantic import ValidationError

from cloud.campaigns.stage import StageResult, StageWork
from cloud.errors import StageFailed
from cloud.network_settings import ApiSettings
from cloud.opentelemetry_spans import OpenTelemetrySpans
from cloud.settings import CloudSettings, TracingSettings
from cloud.tracing import NO_SPANS, spans_of
from messaging.blobs import digest_of
from messaging.errors import ConfigurationError
from messaging.resources import CampaignRequest, CampaignResource
from tests.support.cloud.running_cloud import FIRST, running_cloud
from tests.support.cloud.sample_reports import MODE, misdetection, tally
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.waiting import wait_until


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An OpenTelemetry collector on a free port: its address and the bodies that it got."""
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that the library calls
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/traces", bodies
        finally:
            server.shutdown()
            thread.join(10.0)


def failing(work: StageWork) -> StageResult:
    raise StageFailed("the password of rtsp://admin:secret@10.0.0.5 is wrong")


def test_stages_batches_and_requests_are_spans_and_a_failure_is_marked_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, here = InMemorySpanExporter(), digest_of(FIRST)
    spans = OpenTelemetrySpans(SimpleSpanProcessor(exporter))
    settings = CloudSettings(data=tmp_path, api=ApiSettings(port=0))

    def ended(name: str) -> list[ReadableSpan]:
        return [span for span in exporter.get_finished_spans() if span.name == name]

    monkeypatch.setattr("cloud.app.spans_of", lambda _: spans)
    with running_cloud(settings, lambda _: ScriptedStages(train=failing), sites=("harbour",)) as cloud:
        wait_until(lambda: cloud.sites and cloud.sites["harbour"].model == here)
        cloud.report("harbour", misdetection(model_digest=here), tally(model_digest=here))
        wait_until(lambda: cloud.parts is not None and cloud.parts.register.modes())
        with cloud.client() as client:
            started = client.send("POST", "campaigns", CampaignResource, CampaignRequest(modes=(MODE,)))
            *_, last = client.watch(started.id)
        assert last.state == "failed"
        (train,), (plan,) = ended("stage train"), ended("stage plan")
        assert train.attributes is not None
        assert dict(train.attributes) == {"campaign": started.id, "attempt": 1}
        assert (train.status.status_code, train.status.description) == (StatusCode.ERROR, "StageFailed")
        assert plan.status.status_code is StatusCode.UNSET
        assert not train.events
        batches = [dict(span.attributes or {}) for span in ended("intake batch")]
        assert sum(int(str(batch["new"])) for batch in batches) >= 2
        requests = [dict(span.attributes or {}) for span in ended("API request")]
        assert {"http.route": "/api/v1/campaigns", "http.response.status_code": 201} in requests
    everything = "".join(span.to_json() for span in exporter.get_finished_spans())
    for private in ("secret", "harbour", str(tmp_path)):
        assert private not in everything
    assert isinstance(get_tracer_provider(), ProxyTracerProvider), "no global provider is set"


def test_tracing_is_off_and_imports_nothing_unless_an_endpoint_is_set() -> None:
    assert spans_of(TracingSettings()) is NO_SPANS
    with NO_SPANS.span("anything", number=1) as note:
        note("more", 2)
    NO_SPANS.close()


def test_without_the_extra_an_endpoint_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cloud.opentelemetry_spans")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'blindspot\[opentelemetry\]'"):
        spans_of(TracingSettings(endpoint="http://127.0.0.1:4318/v1/traces"))


@pytest.mark.parametrize("endpoint", ["collector:4318", "http://me:secret@collector/v1/traces", "http://a b"])
def test_an_endpoint_that_is_no_address_or_holds_a_password_is_refused(endpoint: str) -> None:
    with pytest.raises(ValidationError):
        TracingSettings(endpoint=endpoint)


def test_spans_reach_a_collector_by_otlp() -> None:
    with collector() as (endpoint, bodies):
        spans = spans_of(TracingSettings(endpoint=endpoint, every_s=60.0))
        with spans.span("stage plan", campaign="01C"):
            pass
        spans.close()
        assert any(b"stage plan" in body and b"blindspot-cloud" in body for body in bodies)


def test_a_collector_that_is_down_delays_no_work() -> None:
    spans = spans_of(TracingSettings(endpoint="http://127.0.0.1:9/v1/traces", every_s=0.05))

    async def work() -> None:
        for _ in range(3000):
            with spans.span("intake batch", messages=1):
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(work(), 20.0))
