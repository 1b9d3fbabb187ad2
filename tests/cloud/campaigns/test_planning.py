"""From failure modes to orders: aimed, repeatable, and never an image in them."""

from dataclasses import replace

import pytest

from cloud.campaigns.planning import (
    DEFAULT_GEOMETRY,
    checked_options,
    class_to_generate,
    synthesis_order,
)
from cloud.errors import CampaignRefused
from cloud.failure_modes.prototypes import FleetPrototype
from cloud.failure_modes.register import campaign_candidates
from cloud.failure_modes.rules import FailureMode, ModeKey, find_failure_modes, unobserved_mode
from cloud.settings import SynthesisSettings
from cloud.store.records import CampaignPlan, ModeState, ModeStatus
from cloud.store.report_records import MisdetectionRow
from messaging.hazard_classes import HazardClass
from messaging.reports import ErrorKind
from messaging.taxonomy import DEFAULT_TAXONOMY, Condition, RegionBin, SizeBin
from synth.order import SynthesisOrder
from tests.support.cloud.mode_rows import NIGHT, misdetection_row
from tests.support.cloud.sample_reports import EMBEDDING

PROTOTYPE = FleetPrototype("fire", NIGHT, (0.1, 0.2), EMBEDDING, 3, 60, cosine=0.85)
ULID_A, ULID_B = "01JAZ5Y9T4X3Q6M2K8B7C9D0EF", "01JAZ5Y9T4X3Q6M2K8B7C9D0EG"


def mode(*rows: MisdetectionRow) -> FailureMode:
    (found,) = find_failure_modes(
        rows or (misdetection_row(),), {}, taxonomy=DEFAULT_TAXONOMY, in_service=frozenset(), states={}
    )
    return found


def order(
    found: FailureMode,
    plan: CampaignPlan | None = None,
    campaign: str = ULID_A,
    prototype: FleetPrototype | None = PROTOTYPE,
    class_name: str = "fire",
) -> SynthesisOrder:
    return synthesis_order(
        found,
        class_name=class_name,
        prototype=prototype,
        plan=plan or CampaignPlan((found.key.id,), 20),
        campaign=campaign,
        settings=SynthesisSettings(),
        taxonomy=DEFAULT_TAXONOMY,
    )


def test_an_order_asks_for_the_modes_class_condition_geometry_and_prototype() -> None:
    made = order(
        mode(
            misdetection_row(), misdetection_row(), misdetection_row(size=SizeBin.TINY, region=RegionBin.TOP)
        )
    )
    assert (made.class_name, made.condition, made.count) == ("fire", NIGHT, 20)
    assert {(g.size, g.region, g.weight) for g in made.geometry} == {
        (SizeBin.SMALL, RegionBin.MIDDLE, 2.0),
        (SizeBin.TINY, RegionBin.TOP, 1.0),
    }
    assert made.prototype is not None
    assert made.prototype.vector == (0.1, 0.2)
    assert made.patch_budget >= made.count


def test_a_prototype_that_is_mostly_noise_is_in_no_order() -> None:
    assert order(mode(), prototype=replace(PROTOTYPE, cosine=0.69)).prototype is None
    used = order(mode(), prototype=replace(PROTOTYPE, cosine=0.71)).prototype
    assert used is not None
    assert used.cosine == 0.71


def test_the_same_campaign_gives_the_same_order_and_another_campaign_another_seed() -> None:
    found = mode()
    assert order(found).digest == order(found).digest
    assert order(found).seed != order(found, campaign=ULID_B).seed
    seeded = CampaignPlan((found.key.id,), 20, seed=5)
    assert order(found, seeded).seed == order(found, seeded, campaign=ULID_B).seed


def test_options_of_a_request_become_values_of_their_types() -> None:
    asked = {"use_prototypes": "false", "best_of": "4", "budget_factor": None}
    assert checked_options(asked) == {"use_prototypes": False, "best_of": 4}


@pytest.mark.parametrize(
    ("name", "value"),
    [("best_of", "<b>"), ("best_of", 10**30), ("budget_factor", float("inf")), ("epochs", [1]), ("seed", 1)],
)
def test_an_option_of_another_type_or_name_is_refused(name: str, value: object) -> None:
    with pytest.raises(CampaignRefused, match=f"campaign option '{name}' is "):
        checked_options({name: value})


def test_options_of_the_plan_override_the_settings() -> None:
    found = mode()
    plan = CampaignPlan((found.key.id,), 20, options={"use_prototypes": False, "best_of": 4})
    made = order(found, plan)
    assert (made.prototype, made.best_of) == (None, 4)


def test_without_known_geometry_an_order_has_the_default_geometry() -> None:
    made = order(mode(misdetection_row(size=SizeBin.UNKNOWN, region=RegionBin.UNKNOWN)))
    assert made.geometry == DEFAULT_GEOMETRY


def test_a_mode_of_unknown_class_needs_a_class_first() -> None:
    unknown = mode(misdetection_row(class_name="unknown"))
    assert class_to_generate(unknown, "smoke", DEFAULT_TAXONOMY) == "smoke"
    with pytest.raises(CampaignRefused, match="assign a class to it first"):
        class_to_generate(unknown, None, DEFAULT_TAXONOMY)


@pytest.mark.parametrize(("class_name", "suggested"), [("naked_child_on_bed", None), ("unknown", "on_bed")])
def test_words_of_a_site_never_become_a_prompt(class_name: str, suggested: str | None) -> None:
    row = misdetection_row(class_name=class_name)
    steered = mode(row)
    assert campaign_candidates([steered], DEFAULT_TAXONOMY.names) == []
    with pytest.raises(CampaignRefused, match="which this deployment does not have"):
        class_to_generate(steered, suggested, DEFAULT_TAXONOMY)
    with pytest.raises(ValueError, match="hazard class 'naked_child_on_bed' is unknown"):
        order(steered, class_name="naked_child_on_bed")


TREE = HazardClass(name="fallen_tree_or_branch_across_the_road_x", severity=4, words=("a fallen tree",))
LONGER = DEFAULT_TAXONOMY.extended([TREE])


def unobserved(condition: str) -> FailureMode:
    key = ModeKey(TREE.name, Condition.parse(condition), ErrorKind.MISSED)
    return unobserved_mode(key, LONGER, ModeState(key.id, ModeStatus.OPEN, 0))


def test_an_order_without_evidence_has_words_and_sizes_and_leaves_the_place_to_the_class() -> None:
    made = [
        synthesis_order(
            unobserved(condition),
            class_name=TREE.name,
            prototype=None,
            plan=CampaignPlan(("a", "b"), 20),
            campaign=ULID_A,
            settings=SynthesisSettings(),
            taxonomy=LONGER,
        )
        for condition in ("day-clear", "day-rain")
    ]
    assert [one.hazard for one in made] == [TREE, TREE]
    assert {g.region for g in made[0].geometry} == {RegionBin.UNKNOWN}
    assert made[0].taxonomy == LONGER
    assert made[0].order != made[1].order, "long names are cut, but not to the same"
    assert unobserved("day-clear").severity == 4
