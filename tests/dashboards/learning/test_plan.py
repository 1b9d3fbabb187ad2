"""The wizard's address and what it states of a plan."""

import pytest

from dashboards.learning.plan import (
    NO_SAMPLES,
    NOT_MEASURED,
    Choice,
    estimate_facts,
    missing,
    plan_markup,
    samples_markup,
    summary,
)
from messaging.api.campaign_plans import (
    CampaignEstimateResource,
    CampaignPlanResource,
    PlannedGenerator,
    PlannedOrderResource,
    PlannedRollout,
    PromotionLimits,
    RequirementResource,
)
from messaging.api.samples import SampleResource
from tests.support.dashboards.markup import text


def plan(*, holdout_is_there: bool = True, control: bool = False) -> CampaignPlanResource:
    holdout = RequirementResource(
        stage="evaluate", name="a holdout", met=holdout_is_there, needed=True, detail="import one"
    )
    shadow = RequirementResource(stage="shadow", name="a site online", met=False, needed=False, detail="")
    order = PlannedOrderResource(
        mode="fire.night-clear.missed",
        class_name="fire",
        condition="night-clear",
        count=60,
        prototype_sites=3,
        prototype_cosine=0.9,
        prototype_used=True,
    )
    return CampaignPlanResource(
        modes=("fire.night-clear.missed",), count=60, seed=None, incumbent_digest="0a" * 32, orders=(order,),
        replay_images=900, calibration_images=100, holdout_images=1, requirements=(holdout, shadow),
        control=control,
    )  # fmt: skip


def test_the_address_holds_the_whole_choice() -> None:
    choice = Choice(("a.b.c", "d.e.f"), 60, 0, control=True)
    assert choice.query() == {"modes": "a.b.c,d.e.f", "count": "60", "seed": "0", "control": "yes"}
    assert Choice.of_query({name: text for name, text in choice.query().items() if text}) == choice


def test_a_control_model_is_asked_for_or_as_configured() -> None:
    assert Choice(("a",), control=True).request().options == {"control": True}
    assert Choice(("a",)).request().options == {}
    assert Choice(("a",)).query()["control"] is None
    assert not Choice.of_query({"modes": "a", "control": "perhaps"}).control
    assert "trained too, without this campaign's images" in text(plan_markup(plan(control=True)))
    assert "control model none" in text(plan_markup(plan()))


@pytest.mark.parametrize("count", ["0", "100001", "-1", "1e3", "²", "9" * 5000, ""])
def test_a_count_in_the_address_that_is_not_possible_is_left_out(count: str) -> None:
    assert Choice.of_query({"modes": "a", "count": count}) == Choice(("a",))


def test_a_mode_is_chosen_once_and_not_too_many() -> None:
    assert Choice.of_query({"modes": "a, a,,b"}).modes == ("a", "b")
    assert len(Choice.of_query({"modes": ",".join(map(str, range(100)))}).modes) == 16


def test_a_plan_states_orders_prototypes_and_what_it_proves_with() -> None:
    shown = plan_markup(plan())
    assert "fire missed (night, clear)" in shown
    assert "used: of 3 sites, cosine 0.90" in shown
    assert "900 images" in shown
    assert "1 image<" in shown


def test_a_plan_states_generator_prompts_limits_and_sites() -> None:
    order = (
        plan()
        .orders[0]
        .model_copy(
            update={
                "prompts": ("a photo of fire, street at night",),
                "earlier_images": 171,
                "earlier_kept": 60,
                "earlier_reason": "not_confirmed",
            }
        )
    )
    limits = PromotionLimits(
        recall_drop=0.03,
        precision_drop=0.05,
        condition_drop=0.15,
        enough_tracks=30,
        false_alarm_ratio=1.5,
        latency_ratio=2.0,
    )
    rollout = PlannedRollout(
        canaries=("north",), sites=12, hold_s=3600.0, stop_fraction=0.05, approval_before=("all",)
    )
    generator = PlannedGenerator(name="our-sd", licence="openrail++")
    known = {"orders": (order,), "generator": generator, "limits": limits, "rollout": rollout}
    shown = text(plan_markup(plan().model_copy(update=known)))
    assert "60 of 171 images kept, most refused: not confirmed" in shown
    assert "our-sd, licence openrail++" in shown
    assert "a photo of fire, street at night" in shown
    assert "a class may lose 3 points of recall, 5 of precision, and 15 of recall in one condition" in shown
    assert "at least 30 supported tracks of each failure mode; at most 1.5 times the false alarms" in shown
    assert "canary north then all of 12 sites in groups, each held for" in shown
    assert "a person approves before: all" in shown


def test_a_plan_of_which_they_are_not_known_says_so() -> None:
    shown = text(plan_markup(plan()))
    assert "generator not found" in shown
    assert "nothing yet" in shown


def test_only_what_is_needed_and_missing_prevents_the_start() -> None:
    assert missing(plan()) == ()
    assert [one.name for one in missing(plan(holdout_is_there=False))] == ["a holdout"]
    assert "It cannot start without: a holdout." in summary(plan(holdout_is_there=False))
    assert "cannot start" not in summary(plan())


def test_the_summary_is_one_sentence() -> None:
    assert "60 images for fire missed (night, clear), with a seed that the cloud draws;" in summary(plan())


def test_time_and_cost_are_stated_where_they_are_known() -> None:
    known = {"generate_s": 1200, "train_s": 600, "evaluate_s": 60, "total_s": 1860, "based_on": 2}
    shown = text(estimate_facts(CampaignEstimateResource.model_validate(known)))
    assert "about 31 min (generation 20 min, training 10 min, evaluation 60 s), from 2 campaigns" in shown
    assert "cost" not in shown
    priced = CampaignEstimateResource.model_validate(known | {"cost": 1.86, "currency": "EUR"})
    assert "estimated cost 1.86 EUR" in text(estimate_facts(priced))


def test_a_time_that_nothing_has_measured_is_no_number() -> None:
    nothing = {"generate_s": None, "train_s": 600, "evaluate_s": 60, "total_s": None, "based_on": 1}
    for found in (None, CampaignEstimateResource.model_validate(nothing)):
        assert text(estimate_facts(found)) == NOT_MEASURED


SAMPLE = SampleResource(
    id="S1",
    mode="fire.night-clear.missed",
    class_name="fire",
    condition="night-clear",
    count=4,
    seed=7,
    state="running",
    started_at=100,
    seconds=12.0,
)


def test_samples_show_how_they_are_made_what_they_show_or_why_there_are_none() -> None:
    assert text(samples_markup(())) == NO_SAMPLES
    assert "Being generated: 4 hazards with seed 7, for 12 s." in text(samples_markup((SAMPLE,)))
    failed = SAMPLE.model_copy(update={"state": "failed", "reason": "no <memory> left"})
    assert "no &lt;memory&gt; left" in samples_markup((failed,))
    prompts = ("a photo of flames", "a photo of a fire")
    done = SAMPLE.model_copy(update={"state": "done", "hazards": 4, "labelled": 3, "prompts": prompts})
    shown = samples_markup((done,))
    assert 'src="/sample-sheets/S1"' in shown
    assert "4 hazards, 3 with a label, seed 7, in 12 s" in text(shown)
    assert all(words in shown for words in prompts)
