"""The plan of a campaign: what the wizard's address holds, what the cloud would do, what is missing. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dashboards import phrases
from dashboards.components.pills import pill
from dashboards.components.section import facts
from dashboards.learning.mode_names import mode_text, mode_texts
from dashboards.markup import Html, element, image, join, number, row, table
from messaging.api.campaign_plans import (
    CampaignEstimateResource,
    CampaignPlanResource,
    PlannedOrderResource,
    RequirementResource,
)
from messaging.api.plan_wording import promotion_words
from messaging.api.samples import SampleResource
from messaging.plurals import quantity
from messaging.resources import CampaignRequest

NOT_MEASURED = (
    "Not known yet: no campaign of this cloud has ended. `blindspot doctor` measures this machine "
    "in half a minute."
)
SAMPLES = 8
NO_SAMPLES = (
    "The generator makes some hazards for you to judge, with the words and the shapes of the campaign. "
    "Nothing is compared with them or trained on them, and no campaign starts."
)
MOST_MODES = 16
MOST_IMAGES = 100_000
MOST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Choice:
    """What was chosen in the wizard; None, or no `control` model: as the cloud is configured."""

    modes: tuple[str, ...] = ()
    count: int | None = None
    seed: int | None = None
    control: bool = False

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> "Choice":
        """The choice in the query of an address; what is not valid there is left out."""
        given = (name.strip() for name in query.get("modes", "").split(","))
        modes = tuple(dict.fromkeys(name[:160] for name in given if name))[:MOST_MODES]
        count, seed = _integer(query, "count", 1, MOST_IMAGES), _integer(query, "seed", 0, MOST_SEED)
        return cls(modes, count, seed, query.get("control") == "yes")

    def query(self) -> dict[str, str | None]:
        """The query of the address that holds the choice."""
        count, seed = (None if value is None else str(value) for value in (self.count, self.seed))
        control = "yes" if self.control else None
        return {"modes": ",".join(self.modes), "count": count, "seed": seed, "control": control}

    def request(self) -> CampaignRequest:
        """The campaign to plan or to start."""
        options = {"control": True} if self.control else {}
        return CampaignRequest(modes=self.modes, count=self.count, seed=self.seed, options=options)


def _integer(query: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = query.get(name, "")
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        return None
    return int(text) if least <= int(text) <= most else None


def plan_markup(plan: CampaignPlanResource) -> Html:
    """What the campaign would generate, what it trains and proves with, and what its stages need."""
    orders = table(
        ("failure mode", "class", "condition", "#images", "prototype of the fleet", "made before"),
        [_order(one) for one in plan.orders],
    )
    needs = table(
        ("stage", "needs", "", "detail"), [_requirement(one) for one in plan.requirements]
    )  # fmt: skip
    images = facts(
        {
            "parent": f"model {phrases.short(plan.incumbent_digest)}"
            if plan.incumbent_digest
            else "no model",
            "replayed in training": quantity(plan.replay_images, "image"),
            "for thresholds": quantity(plan.calibration_images, "image"),
            "in the holdout": quantity(plan.holdout_images, "image"),
            "control model": "trained too, without this campaign's images" if plan.control else "none",
        }
    )
    time = join(element("h3", "How long this machine computes"), estimate_facts(plan.estimate))
    stages = join(element("h3", "What its stages need"), needs) if plan.requirements else None
    generation = join(element("h3", "What the generator is asked for"), _generation(plan))
    proof = element("h3", "What it trains and proves with")
    goes_to = join(
        element("h3", "What the candidate must keep to, and where it goes"), facts(promotion_words(plan))
    )
    return join(orders, generation, proof, images, goes_to, time, stages)


def _generation(plan: CampaignPlanResource) -> Html:
    """The generator with its licence, and examples of prompts."""
    found = plan.generator
    stated = "not found" if found is None else f"{found.name}, licence {found.licence}"
    prompts = [prompt for order in plan.orders for prompt in order.prompts]
    examples = element("ul", *(element("li", prompt) for prompt in prompts), cls="prompts")
    return join(facts({"generator": stated}), examples if prompts else None)


def samples_markup(found: Iterable[SampleResource]) -> Html:
    """Sheets of samples with what they show, and those that are on their way."""
    shown = [_sample(one) for one in found]
    return join(*shown) if shown else element("p", NO_SAMPLES, cls="empty")


def _sample(one: SampleResource) -> Html:
    title = element("h3", mode_text(one.mode))
    if one.state == "failed":
        return join(title, element("p", one.reason, cls="refusal", role="alert"))
    if one.state == "running":
        since = f"{quantity(one.count, 'hazard')} with seed {one.seed}, for {phrases.duration(one.seconds)}"
        return join(title, element("p", f"Being generated: {since}.", cls="rest", role="status"))
    text = (
        f"{quantity(one.hazards, 'hazard')}, {one.labelled} with a label, seed {one.seed}, in "
        f"{phrases.duration(one.seconds)}"
    )
    columns = (
        "One row for each hazard: the place before, with the hazard, without it, the difference, the label"
    )
    sheet = element("div", image(f"/sample-sheets/{one.id}", columns), cls="sheet")
    prompts = element("ul", *(element("li", words) for words in one.prompts), cls="prompts")
    return join(title, element("p", text, cls="rest"), sheet, prompts)


def estimate_facts(found: CampaignEstimateResource | None) -> Html:
    """Time and cost; what is unknown is left out, with a sentence where the time is."""
    if found is None or found.total_s is None:
        return element("p", NOT_MEASURED, cls="empty")
    parts = {"generation": found.generate_s, "training": found.train_s, "evaluation": found.evaluate_s}
    each = ", ".join(f"{name} {phrases.duration(value)}" for name, value in parts.items())
    based = f"from {quantity(found.based_on, 'campaign')} that have ended"
    values = {"estimated time": f"about {phrases.duration(found.total_s)} ({each}), {based}"}
    if found.cost is not None:
        values["estimated cost"] = f"{found.cost:,.2f} {found.currency}"
    return join(
        facts(values), element("p", "The time in which sites try the model comes on top.", cls="rest")
    )


def _order(order: PlannedOrderResource) -> Html:
    if order.prototype_cosine is None:
        prototype = "none yet"
    else:
        use = "used" if order.prototype_used else "too noisy, not used"
        sites = quantity(order.prototype_sites, "site")
        prototype = f"{use}: of {sites}, cosine {order.prototype_cosine:.2f}"
    return row(
        mode_text(order.mode),
        phrases.readable(order.class_name),
        phrases.condition(order.condition),
        number(f"{order.count:,}"),
        prototype,
        _earlier(order),
        name=order.mode,
    )


def _earlier(order: PlannedOrderResource) -> str:
    """What the generator achieved for the failure mode in earlier campaigns."""
    if not order.earlier_images:
        return "nothing yet"
    reason = f", most refused: {phrases.readable(order.earlier_reason)}" if order.earlier_reason else ""
    return f"{order.earlier_kept:,} of {quantity(order.earlier_images, 'image')} kept{reason}"


def _requirement(one: RequirementResource) -> Html:
    mark = pill("met", "good") if one.met else pill("missing", "bad" if one.needed else "busy")
    return row(phrases.readable(one.stage), one.name, element("td", mark), one.detail)


def missing(plan: CampaignPlanResource) -> tuple[RequirementResource, ...]:
    """What is not there and without which the cloud refuses the start."""
    return tuple(one for one in plan.requirements if one.needed and not one.met)


def summary(plan: CampaignPlanResource) -> Html:
    """One sentence for the one approval."""
    images = sum(order.count for order in plan.orders)
    seed = "a seed that the cloud draws" if plan.seed is None else f"seed {plan.seed}"
    parent = phrases.short(plan.incumbent_digest) if plan.incumbent_digest else "the start"
    sentence = (
        f"{quantity(images, 'image')} for {mode_texts(plan.modes)}, with {seed}; a model is trained "
        f"from {parent} and compared on {quantity(plan.holdout_images, 'holdout image')}."
    )
    lacking = missing(plan)
    if not lacking:
        return element("p", sentence)
    names = ", ".join(one.name for one in lacking)
    refused = element("p", f"It cannot start without: {names}.", cls="refusal", role="status")
    return join(element("p", sentence), refused)
