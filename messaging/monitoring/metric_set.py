"""The Prometheus metrics of one program: declared in one class, with a registry of its own.

Names have base units and begin with the program's prefix; counters end in `_total`. No label carries a
track, a place or text from outside: the values of every label are few and known. What is counted elsewhere
is set before a scrape.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from messaging.runtime.program import package_version

disable_created_metrics()  # type: ignore[no-untyped-call]  # a time of creation beside every series, which nothing reads

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHORT_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Buckets in seconds for what takes milliseconds."""


@dataclass(frozen=True)
class MetricDeclaration:
    """A metric as a query names it (a histogram without `_bucket`), its type, text and labels."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]


class MirroredCounter(Collector):
    """A counter whose values are counted elsewhere and set before a scrape."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._name, self._text, self._labels = name, text, tuple(labels)
        self._values: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def set(self, value: float, *labels: str) -> None:
        """Set the count of these label values. Raises `ValueError` for another number of labels."""
        if len(labels) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}; got {labels}")
        with self._lock:
            self._values[tuple(map(str, labels))] = value

    def collect(self) -> Iterator[Metric]:
        """The values as they are now, for a scrape."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        with self._lock:
            for labels, value in self._values.items():
                family.add_metric(labels, value)
        yield family


class MetricSet:
    """Declares the metrics of a program and renders them; `declarations` lists what was declared."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._registry = CollectorRegistry()
        self.declarations: list[MetricDeclaration] = []
        ProcessCollector(registry=self._registry)
        self.gauge("build_info", "1; the version of the program", "version").labels(package_version()).set(1)
        self.secrets_readable = self.gauge(
            "secrets_readable_by_others", "Files with secrets that others could read at the program's start"
        )

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Declare a counter; `name` is without `_total`."""
        return Counter(self._declared(name, "counter", text, labels), text, labels, registry=self._registry)

    def mirrored_counter(self, name: str, text: str, *labels: str) -> MirroredCounter:
        """Declare a counter that is set before a scrape; `name` is without `_total`."""
        mirrored = MirroredCounter(self._declared(name, "counter", text, labels), text, labels)
        self._registry.register(mirrored)
        return mirrored

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Declare a gauge."""
        return Gauge(self._declared(name, "gauge", text, labels), text, labels, registry=self._registry)

    def histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float] = SHORT_S) -> Histogram:
        """Declare a histogram with the upper bounds of its buckets."""
        declared = self._declared(name, "histogram", text, labels)
        return Histogram(declared, text, labels, buckets=tuple(buckets), registry=self._registry)

    def exposition(self) -> bytes:
        """Text for a scrape, of `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def _declared(self, name: str, kind: str, text: str, labels: Sequence[str]) -> str:
        whole = f"{self._prefix}_{name}"
        queried = f"{whole}_total" if kind == "counter" else whole
        self.declarations.append(MetricDeclaration(queried, kind, text, tuple(labels)))
        return whole
