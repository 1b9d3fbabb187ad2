"""The latest hazard events of all sites."""

from dashboards import phrases
from dashboards.markup import Html, el, number, row, table
from dashboards.pages.sections import card, empty, pill
from dashboards.snapshot import Snapshot
from messaging.resources import HazardResource

SEVERITY_WORDS = ("", "nuisance", "minor", "serious", "grave", "danger to life")


def section(seen: Snapshot) -> Html:
    """One table, latest first."""
    if not seen.hazards:
        sentence = "No hazard has been reported. A track that a site's hazard rules confirm appears here."
        return card("Hazards", empty(sentence), name="hazards")
    rows = [_hazard(event, seen.taken_at) for event in seen.hazards]
    return card(
        "Hazards",
        table(("severity", "what", "where", "#confidence", "#began"), rows),
        aside="latest",
        name="hazards",
    )


def _hazard(event: HazardResource, now: float) -> Html:
    place = f"{event.site} / {event.camera}"
    return row(
        el(
            "span",
            f"{event.severity}",
            cls=f"severity s{event.severity}",
            title=SEVERITY_WORDS[event.severity],
        ),
        el(
            "td",
            el("b", phrases.words(event.class_name)),
            " ",
            pill(*_life(event.state)),
        ),
        el("td", place, el("span", f" {event.zone or phrases.condition(event.condition)}", cls="rest")),
        number(phrases.percent(event.confidence)),
        number(phrases.ago(event.started_at_utc, now)),
        name=f"hazard-{event.event}",
    )


def _life(state: str) -> tuple[str, str]:
    return ("over", "plain") if state == "closed" else ("going on", "bad")
