"""A new campaign: choose failure modes, see the plan, approve it once.

Everything that is chosen is in the address, so that a reload or a login in between loses nothing.
"""

from dataclasses import replace
from uuid import uuid4

from nicegui import ui

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.section import Markup, card, heading
from dashboards.errors import CloudRefused, DashboardError
from dashboards.learning.mode_names import mode_name, mode_text
from dashboards.learning.plan import (
    MOST_IMAGES,
    MOST_MODES,
    MOST_SEED,
    SAMPLES,
    Choice,
    missing,
    plan_markup,
    samples_markup,
    summary,
)
from dashboards.markup import element
from dashboards.page_view import PageView
from messaging.access_resources import UserRole
from messaging.api.campaign_plans import CampaignPlanResource
from messaging.api.samples import SampleRequest, SampleResource
from messaging.resources import CampaignResource, FailureModeResource

OFFERED = 50
SAMPLES_EVERY_S = 1.0
CONTROL = "Train a control model too, without this campaign's images, to measure their effect"
NO_MODE = Empty(
    "No failure mode is open. Misdetections that the sites report open one; "
    "this command reports a hazard that a camera missed:",
    command="blindspot hazards missed SITE CAMERA CLASS",
)
NOTHING_CHOSEN = "Choose a failure mode: the plan is made at once, and starts nothing."


async def page(view: PageView) -> None:
    """The wizard."""
    heading("New campaign", "Choose failure modes, read the plan, approve it.")
    if not view.may(UserRole.TRAINER):
        with card("Trainers only", name="campaign-new"):
            text = "Campaigns are started by trainers. An admin gives the role in the settings."
            Markup().show(element("p", text, cls="empty"))
        return
    _Wizard(view).build()


class _Wizard:
    """The choice, and the plan of it that is shown."""

    def __init__(self, view: PageView) -> None:
        self._view = view
        self._choice = Choice.of_query(view.query)
        self._keys: dict[Choice, str] = {}
        self._offered: dict[str, ui.checkbox] = {}
        self._samples: dict[str, SampleResource] = {}

    def build(self) -> None:
        """Make the elements and plan what the address holds."""
        with card(
            "1. Failure modes", name="campaign-modes", aside=f"open ones by harm; at most {MOST_MODES}"
        ):
            self._no_mode = NO_MODE.element()
            self._no_mode.set_visibility(False)
            self._modes = ui.element("div").classes("choices")
        with card("2. Plan", name="campaign-plan"):
            with ui.row().classes("inputs"):
                self._count = ui.number(
                    "Images for each failure mode",
                    value=self._choice.count,
                    min=1,
                    max=MOST_IMAGES,
                    precision=0,
                )
                self._seed = ui.number("Seed", value=self._choice.seed, min=0, max=MOST_SEED, precision=0)
                for field in (self._count, self._seed):
                    field.props('outlined dense clearable debounce=500 placeholder="as configured"')
                    field.on_value_change(self._typed)
            self._control = ui.checkbox(CONTROL, value=self._choice.control, on_change=self._typed)
            self._plan = Markup()
        with card("Sample images", name="campaign-samples", aside="starts nothing"):
            self._ask_samples = ui.row().classes("actions")
            self._samples_shown = Markup()
        with card("3. Approval", name="campaign-approval"):
            self._summary = Markup()
            with ui.row().classes("actions"):
                self._start = ui.button("Start the campaign", on_click=self._started)
                self._start.props("unelevated no-caps").disable()
        self._view.live(self._offer)
        ui.timer(0.0, self._planned, once=True)
        ui.timer(SAMPLES_EVERY_S, self._follow_samples)

    async def _offer(self) -> None:
        """Offer the open failure modes, and those that the address names."""
        found = await self._view.page("failure-modes", FailureModeResource, limit=OFFERED)
        for mode in found.items:
            if mode.id not in self._offered and (mode.status != "closed" or mode.id in self._choice.modes):
                recall = phrases.percent(mode.recall.value)
                self._add(mode.id, f"{mode_name(mode)}: harm {mode.harm:,.1f}, recall {recall}")
        for name in self._choice.modes:
            if name not in self._offered:
                self._add(name, name)
        self._no_mode.set_visibility(not self._offered)

    def _add(self, mode: str, text: str) -> None:
        with self._modes:
            box = ui.checkbox(text, value=mode in self._choice.modes)
        self._offered[mode] = box
        box.on_value_change(lambda: self._chosen(mode, bool(box.value)))

    async def _chosen(self, mode: str, wanted: bool) -> None:
        others = tuple(one for one in self._choice.modes if one != mode)
        await self._choose(replace(self._choice, modes=(*others, mode) if wanted else others))

    async def _typed(self) -> None:
        count, seed = (None if v is None else int(v) for v in (self._count.value, self._seed.value))
        await self._choose(replace(self._choice, count=count, seed=seed, control=bool(self._control.value)))

    async def _choose(self, choice: Choice) -> None:
        self._choice = Choice.of_query({name: text for name, text in choice.query().items() if text})
        self._view.remember("campaigns", "new", **self._choice.query())
        await self._planned()

    async def _planned(self) -> None:
        """Ask for the plan of the choice and show it, unless the choice has changed meanwhile."""
        choice = self._choice
        self._start.disable()
        self._offer_samples()
        if not choice.modes:
            self._plan.show(element("p", NOTHING_CHOSEN, cls="rest"))
            self._summary.show(element("p", "There is nothing to approve yet.", cls="rest"))
            return
        try:
            plan = await self._view.viewer.client.send(
                "POST", "campaigns/plan", CampaignPlanResource, choice.request()
            )
        except DashboardError as error:
            if choice == self._choice:
                self._plan.show(element("p", str(error), cls="refusal", role="alert"))
                self._summary.show(element("p", "There is no plan to approve.", cls="empty"))
            return
        if choice == self._choice:
            self._plan.show(plan_markup(plan))
            self._summary.show(summary(plan))
            self._start.set_enabled(not missing(plan))

    def _offer_samples(self) -> None:
        """A button for each chosen failure mode."""
        self._samples = {mode: one for mode, one in self._samples.items() if mode in self._choice.modes}
        self._samples_shown.show(samples_markup(self._samples.values()))
        self._ask_samples.clear()
        with self._ask_samples:
            for mode in self._choice.modes:
                button = ui.button(f"Generate {SAMPLES} samples: {mode_text(mode)}")
                button.props("outline no-caps").on_click(lambda mode=mode: self._generate_samples(mode))

    async def _generate_samples(self, mode: str) -> None:
        key = uuid4().hex

        async def generate() -> None:
            request = SampleRequest(mode=mode, count=SAMPLES, seed=self._choice.seed)
            client = self._view.viewer.client
            made = await client.send("POST", "samples", SampleResource, request, key=key)
            self._samples[mode] = made

        if await self._view.act(generate, "The generator is making samples."):
            self._samples_shown.show(samples_markup(self._samples.values()))

    async def _follow_samples(self) -> None:
        for mode, one in list(self._samples.items()):
            if one.state == "running":
                try:
                    found = await self._view.viewer.client.get(f"samples/{one.id}", SampleResource)
                except CloudRefused as error:  # a cloud that has started again does not know it
                    found = one.model_copy(update={"state": "failed", "reason": str(error)})
                except DashboardError:
                    continue
                if self._samples.get(mode) == one:
                    self._samples[mode] = found
                    self._samples_shown.show(samples_markup(self._samples.values()))

    async def _started(self) -> None:
        """Start what was planned; the same choice has the same key, so that it starts once."""
        choice, started = self._choice, list[CampaignResource]()
        key = self._keys.setdefault(choice, uuid4().hex)

        async def start() -> None:
            client = self._view.viewer.client
            started.append(
                await client.send("POST", "campaigns", CampaignResource, choice.request(), key=key)
            )

        self._start.disable()
        if await self._view.act(start, "The campaign has started."):
            self._view.go("campaigns", started[0].id)
        else:
            self._start.enable()
