"""Failure modes ranked by harm: evidence, estimated recall with its interval and target, status."""

from dashboards import phrases
from dashboards.markup import Html, element, join, number, row, table
from dashboards.pages.sections import card, empty, pill
from dashboards.snapshot import Snapshot
from messaging.resources import FailureModeResource, RecallResource

MODES_SHOWN = 12
RECALL_HEADER = "estimated recall (dotted: target)"
TONES = {"open": "bad", "reopened": "bad", "in_campaign": "busy", "waiting": "busy", "closed": "good"}


def section(snapshot: Snapshot) -> Html:
    """One table, most harmful first."""
    if not snapshot.modes:
        sentence = "No failure mode is known yet. Misdetections that the sites report are grouped here."
        return card("Failure modes", empty(sentence), name="failure-modes")
    shown = snapshot.modes[:MODES_SHOWN]
    headers = (
        "failure mode",
        "status",
        "#harm",
        "#misdetections",
        "evidence sources",
        RECALL_HEADER,
    )
    aside = "ranked by harm = frequency × severity × (1 − estimated recall)"
    if len(snapshot.modes) > len(shown):
        aside = f"the {len(shown)} most harmful of {len(snapshot.modes)}, {aside}"
    return card(
        "Failure modes", table(headers, [_mode(mode) for mode in shown]), aside=aside, name="failure-modes"
    )


def _mode(mode: FailureModeResource) -> Html:
    return row(
        _name(mode),
        pill(phrases.readable(mode.status), TONES.get(mode.status, "plain")),
        number(f"{mode.harm:.1f}"),
        number(f"{mode.count:,}"),
        element("td", _sources(mode.sources), cls="sources"),
        element("td", _recall(mode.recall, mode.target)),
        name=f"mode-{mode.id}",
    )


def _name(mode: FailureModeResource) -> Html:
    class_name = phrases.readable(mode.assigned_class or mode.class_name)
    rest = f" {phrases.readable(mode.kind)} ({phrases.condition(mode.condition)})"
    suggested = f"probably {phrases.readable(mode.suggested_class)}" if mode.suggested_class else None
    where = " · ".join(
        part for part in (suggested, phrases.count(len(mode.cameras), "camera")) if part is not None
    )
    return element(
        "td", element("b", class_name), rest, element("span", f" {where}", cls="rest"), title=mode.id
    )


def _sources(sources: dict[str, int]) -> str:
    ranked = sorted(sources.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{phrases.readable(name)} {n:,}" for name, n in ranked) or phrases.MISSING


def _recall(recall: RecallResource, target: float) -> Html:
    """The Wilson interval as a bar, the estimate as a line in it, the target as a mark."""
    if recall.value is None:
        return element("span", "no supported track yet", cls="rest")
    reached = "good" if recall.low > target else "bad"
    bar = element(
        "span",
        element("i", cls=f"interval {reached}", style=_span(recall.low, recall.high)),
        element("i", cls=f"estimate {reached}", style=_at(recall.value)),
        element("i", cls="target", style=_at(target), title=f"target {phrases.percent(target)}"),
        cls="bar",
    )
    text = f"{phrases.percent(recall.value)} ({100 * recall.low:.0f}–{100 * recall.high:.0f} %)"
    return join(
        bar,
        element("span", text, cls="estimated"),
        element("span", f" of {phrases.count(recall.supported, 'track')}", cls="rest"),
    )


def _span(low: float, high: float) -> str:
    return f"left:{100 * low:.1f}%;width:{100 * max(high - low, 0.01):.1f}%"


def _at(fraction: float) -> str:
    return f"left:{100 * fraction:.1f}%"
