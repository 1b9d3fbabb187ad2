"""The numbers at the top of the page, and the line that says whether the cloud answers."""

from dashboards import phrases
from dashboards.markup import Html, el, join
from dashboards.snapshot import Sight, Snapshot


def status_line(sight: Sight) -> Html:
    """One sentence: live, or what is wrong and how old the rest is."""
    if sight.trouble is None:
        return el("p", el("i", cls="dot"), "live, every 2 seconds", cls="live", role="status")
    if sight.seen is None:
        rest = "there is nothing to show yet"
    else:
        rest = f"what you see below is from {phrases.clock_time(sight.seen.taken_at)}"
    return el("p", f"Cloud lost: {sight.trouble} – {rest}.", cls="lost", role="alert")


def section(seen: Snapshot) -> Html:
    """Four numbers."""
    told = seen.overview
    share = told.sites_on_current_model / told.sites if told.sites and told.current_model else None
    return el(
        "div",
        _tile("sites online", f"{told.sites_online}", f"of {told.sites}"),
        _tile("hazards in 24 h", f"{told.hazards_today}", "events"),
        _tile("open failure modes", f"{told.open_failure_modes}", f"of {len(seen.modes)} known"),
        _tile("on the current model", phrases.percent(share), f"model {phrases.short(told.current_model)}"),
        cls="tiles",
        id="overview",
    )


def _tile(what: str, figure: str, rest: str) -> Html:
    return el(
        "div",
        el("span", what, cls="what"),
        join(el("b", figure), " ", el("span", rest, cls="rest")),
        cls="tile",
    )
