"""Rollouts: the list, and one rollout with its groups, its sites and what may be done to it."""

from typing import Any

from nicegui import ui

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.pills import pill
from dashboards.components.section import Markup, card, facts, heading
from dashboards.components.table import Column, Table, link
from dashboards.markup import Html, element
from dashboards.page_view import PageView
from dashboards.scope import Scope
from messaging.access_resources import UserRole
from messaging.release_resources import RolloutResource

COLUMNS = (
    Column("rollout", "rollout", "html", flex=1.4),
    Column("model", "model", "html", width=120),
    Column("phase", "phase", "html", width=150),
    Column("sites", "sites", "number", width=100),
    Column("reason", "reason", flex=2),
    Column("began", "began", "html", width=130),
)
EMPTY = Empty("No rollout yet. The last stages of a campaign start one.")
TONES = {"done": "good", "failed": "bad", "rolled_back": "bad", "stopped": "bad"}
VERBS = ("approve", "pause", "resume", "stop", "rollback")


async def page(view: PageView) -> None:
    """The list of rollouts."""
    heading("Rollouts", "New models on their way to the sites, group by group.")
    with card("All rollouts", name="rollouts-card"):
        table = Table(COLUMNS, name="rollouts", empty=EMPTY)

    async def refresh() -> None:
        found = await view.all_items("rollouts", RolloutResource, limit=200)
        table.show([row(one, view.scope, view.now()) for one in found])

    view.live(refresh)


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
        "sites": len(rollout.sites),
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
            for verb in VERBS if view.may(UserRole.TRAINER) else ():
                text = "roll back" if verb == "rollback" else verb
                ui.button(text.capitalize(), on_click=lambda verb=verb: change(verb)).props("outline no-caps")

    async def change(verb: str) -> None:
        path = f"rollouts/{name}/{verb}"
        await view.act(
            lambda: view.viewer.client.send("POST", path, RolloutResource), f"The cloud accepted: {verb}."
        )

    async def refresh() -> None:
        rollout = await view.get(f"rollouts/{name}", RolloutResource)
        shown.show(
            facts(
                {
                    "phase": phase_pill(rollout),
                    "model": rollout.digest,
                    "previous model": rollout.previous_digest or phrases.MISSING,
                    "campaign": rollout.campaign or phrases.MISSING,
                    "reason": rollout.reason or phrases.MISSING,
                    "began": phrases.ago(rollout.created_at, view.now()),
                }
            )
        )

    view.live(refresh)
