"""Spans of the cloud's own work by OpenTelemetry's SDK, sent to a collector by OTLP over HTTP.

The provider is this object's own and not OpenTelemetry's global one: no library adds spans to it, and no
message and no answer carries a trace, so that nothing is traced across the gate.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

from cloud.settings import TracingSettings
from messaging.runtime.program import package_version

EXPORT_TIMEOUT_S = 2.0


class OpenTelemetrySpans:
    """Spans that a processor of OpenTelemetry's SDK receives."""

    def __init__(self, processor: SpanProcessor) -> None:
        service = Resource({"service.name": "blindspot-cloud", "service.version": package_version()})
        self._provider = TracerProvider(resource=service, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("blindspot")

    @contextmanager
    def span(self, name: str, **attributes: str | int) -> Iterator[Callable[[str, str | int], object]]:
        """A span for as long as the context lasts."""
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span.set_attribute
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()


def exported_spans(settings: TracingSettings) -> OpenTelemetrySpans:
    """Spans that are sent to the configured collector.

    One that is slow or down delays nothing: spans wait in a bounded queue and are dropped.
    """
    assert settings.endpoint is not None
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=EXPORT_TIMEOUT_S)
    return OpenTelemetrySpans(BatchSpanProcessor(exporter, schedule_delay_millis=settings.every_s * 1000.0))
