"""Traces of the cloud's own work, as an option: spans of campaign stages, batches of intake and API requests.

Off unless `tracing.endpoint` is set; then the extra `opentelemetry` must be installed
(`cloud.opentelemetry_spans`). Attributes are kinds, ids of campaigns and numbers; the text of an error stays
in the log.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from cloud.settings import TracingSettings
from messaging.errors import ConfigurationError

Attribute = str | int
Note = Callable[[str, Attribute], object]
"""Adds an attribute to the span."""


class Spans(Protocol):
    """Where spans begin."""

    def span(self, name: str, **attributes: Attribute) -> AbstractContextManager[Note]:
        """A span for as long as the context lasts, below the one that is under way; an error marks it."""

    def close(self) -> None:
        """Export what is left."""


class NoSpans:
    """Tracing that is off."""

    def span(self, name: str, **attributes: Attribute) -> AbstractContextManager[Note]:
        """Nothing."""
        return nullcontext(lambda key, value: None)

    def close(self) -> None:
        """Nothing."""


NO_SPANS = NoSpans()


def spans_of(settings: TracingSettings) -> Spans:
    """Spans that are sent to the configured collector, or none. Raises `ConfigurationError`.

    A collector that is slow or down delays nothing: spans wait in a bounded queue and are dropped.
    """
    if settings.endpoint is None:
        return NO_SPANS
    try:
        from cloud.opentelemetry_spans import exported_spans
    except ImportError:
        raise ConfigurationError(
            "tracing.endpoint is set, but OpenTelemetry is not installed; "
            "run pip install 'blindspot[opentelemetry]', or remove tracing.endpoint"
        ) from None
    return exported_spans(settings)
