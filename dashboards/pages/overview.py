"""The numbers at the top of the page, and the status line of the connection to the cloud."""

from dashboards import phrases
from dashboards.markup import Html, element, join
from dashboards.snapshot import PageState, Snapshot


def status_line(state: PageState) -> Html:
    """One sentence: live, the faults of the cloud, or the error and the time of the data below."""
    if state.error is None and state.snapshot is not None and state.snapshot.overview.faults:
        faults = "; ".join(state.snapshot.overview.faults)
        return element("p", f"The cloud is not ready: {faults}.", cls="lost", role="alert")
    if state.error is None:
        return element("p", element("i", cls="dot"), "updated every 2 seconds", cls="live", role="status")
    if state.snapshot is None:
        rest = "there is no data yet"
    else:
        rest = f"the data below are from {phrases.clock_time(state.snapshot.taken_at)}"
    return element("p", f"Cloud lost: {state.error} – {rest}.", cls="lost", role="alert")


def section(snapshot: Snapshot) -> Html:
    """Four numbers."""
    overview = snapshot.overview
    updated = None
    if overview.sites and overview.current_model:
        updated = overview.sites_on_current_model / overview.sites
    return element(
        "div",
        _tile("sites online", f"{overview.sites_online}", f"of {overview.sites}"),
        _tile("hazards in 24 h", f"{overview.hazards_in_24_h}", "events"),
        _tile("open failure modes", f"{overview.open_failure_modes}", f"of {len(snapshot.modes)} known"),
        _tile(
            "sites on current model",
            phrases.percent(updated),
            f"model {phrases.short(overview.current_model)}",
        ),
        cls="tiles",
        id="overview",
    )


def _tile(what: str, value: str, rest: str) -> Html:
    return element(
        "div",
        element("span", what, cls="what"),
        join(element("b", value), " ", element("span", rest, cls="rest")),
        cls="tile",
    )
