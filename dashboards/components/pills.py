"""Small marks that mean the same on every page: labels, severities, the bar of an estimated recall. Pure."""

from dashboards import phrases
from dashboards.markup import Html, element, join
from messaging.plurals import quantity
from messaging.resources import RecallResource

SEVERITY_NAMES = ("", "nuisance", "minor", "serious", "grave", "danger to life")


def pill(text: str, tone: str) -> Html:
    """A small coloured label; the tone is good, bad, busy or plain."""
    return element("span", text, cls=f"pill {tone}")


def severity(level: int) -> Html:
    """The severity of a hazard, 1 to 5, with its name as a tooltip."""
    return element("span", f"{level}", cls=f"severity s{level}", title=SEVERITY_NAMES[level])


def recall_bar(recall: RecallResource, target: float) -> Html:
    """The Wilson interval as a bar, the estimate as a line in it, the target as a mark, then the numbers."""
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
        element("span", f" of {quantity(recall.supported, 'track')}", cls="rest"),
    )


def _span(low: float, high: float) -> str:
    return f"left:{100 * low:.1f}%;width:{100 * max(high - low, 0.01):.1f}%"


def _at(fraction: float) -> str:
    return f"left:{100 * fraction:.1f}%"
