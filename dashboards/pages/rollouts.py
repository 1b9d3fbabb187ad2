"""Rollouts: the list, and one rollout with its groups, its sites and what may be done to it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.dialogs import confirmed
from dashboards.components.empty import Empty
from dashboards.components.long_table import LongTable
from dashboards.components.pills import pill
from dashboards.components.section import Markup, card, facts, heading
from dashboards.components.table import Column, Table, link
from dashboards.markup import Html, element, join, table
from dashboards.markup import row as table_row
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.access_resources import UserRole
from messaging.plurals import quantity
from messaging.release_resources import RolloutApproval, RolloutResource, RolloutSiteResource

COLUMNS = (
    Column("rollout", "rollout", "html", width=226),
    Column("model", "model", "html", width=100),
    Column("phase", "phase", "html", width=150),
    Column("sites", "sites", "number", width=66),
    Column("reason", "reason", width=180),
    Column("began", "began", "html", width=80),
)
EMPTY = Empty(
    "No rollout yet. The last stages of a campaign start one; this command starts a campaign:",
    command="blindspot campaign start",
)
STEP = 25
TONES = {"done": "good", "rolled_back": "bad", "halted": "bad"}
FINAL = ("done", "rolled_back", "halted")
SITE_COLUMNS = (
    Column("site", "site", "html", width=110),
    Column("group", "group", width=90),
    Column("state", "state", "html", width=130),
    Column("reason", "reason", width=220),
)
GUARD_COLUMNS = (
    Column("site", "site", "html"),
    Column("outcome", "outcome", "html", width=110),
    Column("latency", "latency", width=160),
    Column("output", "output", width=170),
    Column("alarms", "unconfirmed boxes", width=260),
    Column("recall", "recall on the teacher's tracks", width=320),
)
GUARD_TONES = {"comparing": "busy", "passed": "good", "worse": "bad"}
NO_GUARDS = Empty(
    "No site has reported what its guard measures. The first report comes ten minutes after a swap, "
    "if there was a model before. This command shows which sites are online:",
    command="blindspot sites list",
)
NO_SITES = Empty(
    "No site of this rollout is one that you may see. This command shows your site groups:",
    command="blindspot users me",
)
SITE_TONES = {
    "waiting": "plain", "ordered": "busy", "running": "good", "failed": "bad", "lost": "bad",
    "idle": "plain",
    "ordered_back": "busy", "rolled_back": "bad", "revoked": "bad",
}  # fmt: skip
VERBS = {
    "approve": ("Approve", "{group} gets the model now."),
    "pause": ("Pause", "No further group of sites gets the model until the rollout is resumed."),
    "resume": ("Resume", "The rollout goes on to the next group of sites when the present one has held."),
    "stop": (
        "Stop",
        "The rollout ends at once. Sites that run the model keep it; a site that has not changed yet "
        "keeps its own.",
    ),
    "rollback": (
        "Roll back",
        "Every site that may run the model is ordered back to the previous one. "
        "The rollout cannot be resumed.",
    ),
}
"""Text of the button, and what happens; `{group}` is the one that waits."""


async def page(view: PageView) -> None:
    """The list of rollouts."""
    heading("Rollouts", "New models on their way to the sites, group by group.")
    with card("All rollouts", name="rollouts-card"):
        table = LongTable(COLUMNS, name="rollouts", empty=EMPTY, step=STEP)

    async def refresh() -> None:
        found = await view.first_items("rollouts", RolloutResource, table.most)
        rows = [row(one, view.scope, view.now()) for one in found.items]
        table.show_first(rows, more=found.next is not None)

    table.on_more(view.live(refresh))


def row(rollout: RolloutResource, scope: Scope, now: float) -> dict[str, Any]:
    """A row of the table."""
    return {
        "id": rollout.id,
        "rollout": link(rollout.id, scope.link("rollouts", rollout.id)),
        "rollout_value": rollout.id,
        "model": element("code", phrases.short(rollout.digest), title=rollout.digest),
        "model_value": rollout.digest,
        "phase": phase_pill(rollout),
        "phase_value": rollout.phase,
        "sites": rollout.number_of_sites,
        "reason": rollout.reason,
        "began": Html(phrases.ago(rollout.created_at, now)),
        "began_value": rollout.created_at,
    }


def phase_pill(rollout: RolloutResource) -> Html:
    """The phase of a rollout; paused and waiting for approval count more than the phase."""
    if rollout.paused:
        return pill("paused", "busy")
    if rollout.awaiting:
        return pill(f"{rollout.awaiting} awaits approval", "busy")
    return pill(phrases.readable(rollout.phase), TONES.get(rollout.phase, "busy"))


async def detail(view: PageView) -> None:
    """One rollout."""
    name = view.parameters["rollout"]
    heading("Rollout", name)
    with card("State", name="rollout"):
        shown = Markup()
        with ui.row().classes("actions"):
            show_buttons = _actions(view, name)
    with card("Sites", name="rollout-sites-card", aside="group by group"):
        groups = Markup()
        sites = Table(SITE_COLUMNS, name="rollout-sites", empty=NO_SITES)
    with card("Guard in service", name="rollout-guards-card", aside="beside the model before"):
        guards = Table(GUARD_COLUMNS, name="rollout-guards", empty=NO_GUARDS)
    with card("History", name="rollout-history"):
        history = Markup()

    async def refresh() -> None:
        rollout, now = await view.get(f"rollouts/{name}", RolloutResource), view.now()
        shown.show(facts_markup(rollout, view.scope, now))
        show_buttons(rollout)
        groups.show(groups_markup(rollout))
        sites.show([site_row(site, view.scope) for site in rollout.sites])
        guards.show([guard_row(site, view.scope) for site in rollout.sites if site.guard])
        history.show(history_markup(rollout, now))

    view.live(refresh)


def _actions(view: PageView, name: str) -> Callable[[RolloutResource], None]:
    """Buttons for what may be done to the rollout; the function shows those that its phase permits."""

    shown: list[RolloutResource] = []

    async def change(verb: str) -> None:
        text, sentence = VERBS[verb]
        harmful, body = verb in ("stop", "rollback"), None
        if verb == "approve":  # of the group that the dialog names: another one may wait by then
            (rollout,) = shown
            body, sentence = (
                RolloutApproval(group=rollout.awaiting),
                sentence.format(group=group_text(rollout)),
            )
        if await confirmed(f"{text} this rollout?", sentence, text, harmful=harmful):
            path = f"rollouts/{name}/{verb}"
            await view.act(
                lambda: view.viewer.client.send("POST", path, RolloutResource, body),
                f"The cloud accepted: {text}.",
            )

    buttons = {}
    for verb, (text, _) in VERBS.items() if view.may(UserRole.TRAINER) else ():
        colour = " color=negative" if verb in ("stop", "rollback") else ""
        button = ui.button(text, on_click=lambda verb=verb: change(verb))
        buttons[verb] = button.props(f"outline no-caps{colour}")
        button.set_visibility(False)  # until the phase is known

    def show(rollout: RolloutResource) -> None:
        shown[:] = [rollout]
        for verb, button in buttons.items():
            button.set_visibility(verb in permitted(rollout))

    return show


def permitted(rollout: RolloutResource) -> frozenset[str]:
    """What the phase permits: keys of `VERBS`. The cloud refuses the way back where a newer one began."""
    verbs = set()
    if rollout.phase not in FINAL:
        verbs.add("stop")
    if rollout.phase not in (*FINAL, "rolling_back"):
        verbs.add("resume" if rollout.paused else "pause")
        if rollout.awaiting:
            verbs.add("approve")
    if rollout.previous_digest and rollout.phase not in ("rolling_back", "rolled_back"):
        verbs.add("rollback")
    return frozenset(verbs)


def group_text(rollout: RolloutResource) -> str:
    """The group that waits for approval, and how many sites it has."""
    sites = sum(site.group == rollout.awaiting for site in rollout.sites)
    return f"The group {phrases.readable(rollout.awaiting or '')}, which has {quantity(sites, 'site')},"


def facts_markup(rollout: RolloutResource, scope: Scope, now: float) -> Html:
    """What the rollout is about."""
    return facts(
        {
            "phase": phase_pill(rollout),
            "role": rollout.role,
            "model": _model(rollout.digest, scope),
            "previous model": _model(rollout.previous_digest, scope),
            "campaign": link(rollout.campaign, scope.link("campaigns", rollout.campaign))
            if rollout.campaign
            else phrases.MISSING,
            "reason": rollout.reason or phrases.MISSING,
            "began": phrases.ago(rollout.created_at, now),
        }
    )


def _model(digest: str | None, scope: Scope) -> Html | str:
    return link(digest, scope.link("models", digest)) if digest else phrases.MISSING


def groups_markup(rollout: RolloutResource) -> Html:
    """One line a group: how many of its sites are in which state."""
    by_group: dict[str, Counter[str]] = {}
    for site in rollout.sites:
        by_group.setdefault(site.group, Counter())[site.state] += 1
    lines = (
        element(
            "li",
            element("b", phrases.readable(group)),
            *(join(" ", _state_pill(state, f"{n} {phrases.readable(state)}")) for state, n in counts.items()),
        )
        for group, counts in by_group.items()
    )
    return element("ul", *lines, cls="groups") if by_group else Html("")


def site_row(site: RolloutSiteResource, scope: Scope) -> dict[str, Any]:
    """A row of the table of sites."""
    return {
        "id": site.site,
        "site": link(site.site, scope.link("sites", site.site)),
        "site_value": site.site,
        "group": phrases.readable(site.group),
        "state": _state_pill(site.state, phrases.readable(site.state)),
        "state_value": site.state,
        "reason": site.reason,
    }


def guard_row(site: RolloutSiteResource, scope: Scope) -> dict[str, Any]:
    """A row of the table of guards, of a site whose guard has reported."""
    seen = site.guard
    assert seen is not None, "only sites with a report have a row"
    return {
        "id": site.site,
        "site": link(site.site, scope.link("sites", site.site)),
        "site_value": site.site,
        "outcome": pill(phrases.readable(seen.outcome), GUARD_TONES.get(seen.outcome, "plain")),
        "outcome_value": seen.outcome,
        "latency": seen.latency_text,
        "output": seen.output_text,
        "alarms": seen.alarms_text,
        "recall": seen.recall_text,
    }


def _state_pill(state: str, text: str) -> Html:
    return pill(text, SITE_TONES.get(state, "plain"))


def history_markup(rollout: RolloutResource, now: float) -> Html:
    """What was done to the rollout and by whom, latest first."""
    if not rollout.events:
        sentence = "Nothing has been recorded of this rollout yet. This command shows its state:"
        return Empty(sentence, command=f"blindspot rollout status {rollout.id}").markup()
    rows = [
        table_row(phrases.ago(event.at, now), event.by, phrases.readable(event.action), event.note)
        for event in reversed(rollout.events)
    ]
    return table(("when", "by", "what", "note"), rows)
