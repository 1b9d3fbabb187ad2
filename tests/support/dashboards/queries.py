"""Reads the queries of Grafana dashboards and alert rules, and the metrics and labels that they name."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[3] / "dashboards"
RULES = FOLDER / "prometheus" / "alerts.yaml"
RULE_TESTS = FOLDER / "prometheus" / "alerts_test.yaml"
SCRAPES = (FOLDER / "prometheus" / "prometheus.cloud.yaml", FOLDER / "prometheus" / "prometheus.site.yaml")
BOARDS = tuple(sorted((FOLDER / "grafana").glob("*.json")))
SCRAPE_LABELS = frozenset(("job", "instance"))
"""Labels that Prometheus adds to every series that it scrapes."""

_METRIC = re.compile(r"\b((?:blindspot|process)_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}")
_HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")


@dataclass(frozen=True)
class Query:
    """One expression, where it is, and the text that shows its labels (a legend or an annotation)."""

    where: str
    expression: str
    shown: str

    @property
    def metrics(self) -> dict[str, frozenset[str]]:
        """Names of metrics with the labels that select them."""
        found: dict[str, frozenset[str]] = {}
        for name, selector in _METRIC.findall(self.expression):
            labels = frozenset(re.findall(r"(\w+)\s*[=!]", selector))
            found[name] = found.get(name, frozenset()) | labels
        return found

    @property
    def grouped_or_shown(self) -> frozenset[str]:
        """Labels that the expression groups by and that its text shows."""
        grouped = (name.strip() for names in _GROUPED.findall(self.expression) for name in names.split(","))
        return frozenset(filter(None, grouped)) | frozenset(_SHOWN.findall(self.shown))


def declared_name(name: str, histograms: frozenset[str]) -> str:
    """The name under which a series is declared: of a histogram without `_bucket`, `_sum`, `_count`."""
    return whole if (whole := _HISTOGRAM.sub("", name)) in histograms else name


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel of every dashboard with its place."""
    for path in BOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            yield f"{path.name}: {panel['title']}", panel


def rules() -> list[dict[str, Any]]:
    """All alert rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def queries() -> Iterator[Query]:
    """Every query of the dashboards, of their variables, and of the alert rules."""
    for where, panel in panels():
        for target in panel["targets"]:
            yield Query(where, target["expr"], target["legendFormat"])
    for path in BOARDS:
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                yield Query(f"{path.name}: {variable['name']}", variable["query"], "")
    for rule in rules():
        yield Query(rule["alert"], rule["expr"], rule["annotations"]["summary"])


def in_promql(expression: str) -> str:
    """An expression of a dashboard with values in place of Grafana's variables."""
    values = {"$__rate_interval": "5m", "$__range": "1h", "$instance": ".*", "$camera": ".*"}
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression
