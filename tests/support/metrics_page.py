"""Writes docs/metrics.md from what the programs declare: `python -m tests.support.metrics_page`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cloud.metrics import CloudMetrics
from edge.gate.metrics import GateMetrics
from edge.metrics import NodeMetrics
from messaging.monitoring.metric_set import MetricDeclaration, MetricSet

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
_HEAD = """\
# Metrics

Made from the declarations in `cloud/metrics.py`, `edge/metrics.py` and `edge/gate/metrics.py` by
`python -m tests.support.metrics_page`; a test holds it up to date. How to scrape them, dashboards and alerts:
[monitoring.md](monitoring.md).

Units are seconds and bytes. Counters end in `_total` and begin at zero with the program, except what the
ledger and the store count. A histogram has `_bucket`, `_sum` and `_count`. No label carries a track, an image
or a place, and the values of each label are few. Every program also exports `process_*`: memory, processor.
"""
_PROGRAMS: tuple[tuple[str, str, Callable[[], MetricSet]], ...] = (
    (
        "The cloud",
        "`/metrics` of the API. It needs no token, so that no label names a site. Gauges are read from the "
        "store at each scrape; while it is unavailable they are absent.",
        CloudMetrics,
    ),
    (
        "The node",
        "`/metrics` on `page_port` of `node.yaml`. `class` is a hazard class, `camera` its name.",
        NodeMetrics,
    ),
    ("The gate", "`/metrics` on `page_port` of `gate.yaml`. `type` is the kind of a message.", GateMetrics),
)


def declared() -> dict[str, list[MetricDeclaration]]:
    """The declarations of each program by its title."""
    return {title: kind().declarations for title, _, kind in _PROGRAMS}


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, text, _ in _PROGRAMS:
        parts.append(f"\n## {title}\n\n{text}\n\n{_table(declared()[title])}")
    return "".join(parts)


def _table(rows: Sequence[MetricDeclaration]) -> str:
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{row.name}` | {row.kind} | {', '.join(f'`{label}`' for label in row.labels)} | {row.text} |"
        for row in sorted(rows, key=lambda row: row.name)
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
