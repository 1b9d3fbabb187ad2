"""Recall and precision before and after the last evaluated campaign; regressions in red."""

from collections.abc import Sequence
from typing import Any

from dashboards import phrases
from dashboards.markup import Html, element, join, number, row, table
from messaging.resources import ComparisonResource


def markup(compared: Sequence[ComparisonResource]) -> Html:
    """One table per set of images: the cloud's holdout, then the shadow runs of the sites."""
    cells = [cell for cell in compared if cell.before or cell.after]
    if not cells:
        sentence = "No comparison yet. The evaluate and shadow stages of a campaign fill this table."
        return element("p", sentence, cls="empty")
    first = cells[0]
    models = f"model {phrases.short(first.incumbent_digest)} → {phrases.short(first.candidate_digest)}"
    roles = sorted({cell.role for cell in cells}, key=lambda role: (role != "holdout", role))
    tables = (_set(role, [cell for cell in cells if cell.role == role]) for role in roles)
    return join(element("p", models, cls="rest"), *tables)


def _set(role: str, cells: list[ComparisonResource]) -> Html:
    headers = ("class", "condition", "#recall before", "#after", "#change", "#precision before", "#after")
    ranked = sorted(cells, key=lambda cell: (cell.condition == "all", cell.class_name, cell.condition))
    return join(element("h3", _role_text(role)), table(headers, [_cell(cell) for cell in ranked]))


def _role_text(role: str) -> str:
    kind, _, site = role.partition(":")
    return f"shadow run at {site}" if kind == "shadow" else f"the cloud's {kind}"


def _cell(cell: ComparisonResource) -> Html:
    before, after = cell.before or {}, cell.after or {}
    of = _support(after) or _support(before)
    change = _points(before, after, "recall")
    worse = change is not None and change < 0
    precision = _points(before, after, "precision")
    return row(
        phrases.readable(cell.class_name),
        "all" if cell.condition == "all" else phrases.condition(cell.condition),
        _percent_cell(before, "recall"),
        element("td", phrases.percent(_metric(after, "recall")), element("span", of, cls="rest"), cls="num"),
        number(_signed(change), cls=_tone(change)),
        _percent_cell(before, "precision"),
        number(phrases.percent(_metric(after, "precision")), cls=_tone(precision) if precision else ""),
        cls="worse" if worse else "",
        name=f"{cell.role}-{cell.class_name}-{cell.condition}",
    )


def _metric(metrics: dict[str, Any], name: str) -> float | None:
    value = metrics.get(name)
    return float(value) if isinstance(value, int | float) else None


def _percent_cell(metrics: dict[str, Any], name: str) -> Html:
    return number(phrases.percent(_metric(metrics, name)))


def _support(metrics: dict[str, Any]) -> str:
    n = metrics.get("truths", metrics.get("supported"))
    return f" of {n:,}" if isinstance(n, int) else ""


def _points(before: dict[str, Any], after: dict[str, Any], name: str) -> int | None:
    """Change in percentage points, rounded; None when one value is missing."""
    old, new = _metric(before, name), _metric(after, name)
    return None if old is None or new is None else round(100 * new) - round(100 * old)


def _signed(points: int | None) -> str:
    return phrases.MISSING if points is None else f"{points:+d}".replace("-", "−")


def _tone(points: int | None) -> str:
    if not points:
        return ""
    return "better" if points > 0 else "regression"
