"""The latest hazard events of all sites."""

from dashboards import phrases
from dashboards.markup import Html, element, number, row, table
from dashboards.pages.sections import card, empty, pill
from dashboards.snapshot import Snapshot
from messaging.resources import HazardResource

SEVERITY_NAMES = ("", "nuisance", "minor", "serious", "grave", "danger to life")


def section(snapshot: Snapshot) -> Html:
    """One table, latest first."""
    if not snapshot.hazards:
        sentence = "No hazard has been reported yet. A hazard appears here when a site opens a hazard event."
        return card("Hazards", empty(sentence), name="hazards")
    rows = [_hazard(event, snapshot.taken_at) for event in snapshot.hazards]
    return card(
        "Hazards",
        table(("severity", "hazard", "place", "#confidence", "#began"), rows),
        aside="latest",
        name="hazards",
    )


def _hazard(event: HazardResource, now: float) -> Html:
    place = f"{event.site} / {event.camera}"
    return row(
        element(
            "span",
            f"{event.severity}",
            cls=f"severity s{event.severity}",
            title=SEVERITY_NAMES[event.severity],
        ),
        element(
            "td",
            element("b", phrases.readable(event.class_name)),
            " ",
            pill(*_state(event.state)),
        ),
        element(
            "td", place, element("span", f" {event.zone or phrases.condition(event.condition)}", cls="rest")
        ),
        number(phrases.percent(event.confidence)),
        number(phrases.ago(event.started_at_utc, now)),
        name=f"hazard-{event.event}",
    )


def _state(state: str) -> tuple[str, str]:
    return ("closed", "plain") if state == "closed" else ("open", "bad")
