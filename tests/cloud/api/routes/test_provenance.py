"""Lineage of a model and evaluations side by side over the REST API, from stored facts."""

import json
from collections.abc import Iterator

import pytest

from cloud.api.computed.evaluations import best_model
from cloud.campaigns.outputs import FilterOutput, PlannedOrder, PlanOutput, VerifiedSet
from cloud.store.records import CampaignStage, EvaluationRow, Release, StageState, SyntheticImage
from messaging.api.evaluations import EvaluationsResource
from messaging.api.lineage import LineageResource
from messaging.reports import EvidenceSource
from tests.support.cloud.api_reader import add_limited_viewer, get
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import MINUTE, NEW, OLD
from tests.support.synth.orders import order

MODE = "fire.night-clear.missed"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    """A campaign that is trained and evaluated, whose candidate site north runs beside the incumbent."""
    found = FilledCloud(tmp_path_factory.mktemp("cloud"))
    found.fill()
    rows, campaign = found.rows, found.campaign
    wanted = order(count=5)
    made = VerifiedSet(mode=MODE, folder="campaigns/x/set", digest="d" * 64, images=2)
    stages = {
        CampaignStage.PLAN: PlanOutput(orders=(PlannedOrder(mode=MODE, order=wanted),)),
        CampaignStage.FILTER: FilterOutput(sets=(made,)),
    }
    for stage, output in stages.items():
        rows.begin_stage(campaign, stage, "b")
        rows.end_stage(
            campaign, stage, "b", state=StageState.DONE, output=json.loads(output.model_dump_json())
        )
    hazard = {"class": "fire", "prompt": "a fire at night", "seed": 4, "box": [1, 2, 3, 4]}
    for n in range(3):
        provenance = {"generator": "bundled", "background": f"street {n}", "hazards": [hazard]}
        rows.put_images([SyntheticImage(campaign, f"order-{n}", MODE, True, "", "", provenance)])
    found.trained()
    record = {"sets": [], "left_out": ["campaigns/x/set/images/order-1.jpg"]}
    rows.begin_stage(campaign, CampaignStage.TRAIN, "c")
    rows.end_stage(
        campaign,
        CampaignStage.TRAIN,
        "c",
        state=StageState.DONE,
        output={"bundle_digest": NEW, "weights_digest": "w" * 64},
        metrics={"trained_on": record},
    )
    releases = found.services.releases
    releases.put_release(Release(OLD, "service", "first", 1, 9, None, None, {}, MINUTE))
    releases.put_release(Release(NEW, "trial", "second", 2, 9, OLD, campaign, {}, MINUTE))
    for digest, ap50 in ((OLD, 0.6), (NEW, 0.7)):
        metrics = {"truths": 20, "recall": 0.5, "recall_interval": [0.3, 0.7], "ap50": ap50, "ap50_95": 0.3}
        if digest == NEW:
            metrics |= {"ap50_interval": [0.58, 0.81], "ap50_95_interval": [0.21, 0.39]}
        rows.put_evaluations([EvaluationRow(campaign, digest, "holdout", "fire", "all", metrics)])
    found.misses("fire", 2, {EvidenceSource.TEACHER: 1})
    found.reports.group_site("south", "harbour")
    add_limited_viewer(found, "ana", "harbour")
    yield found
    found.close_store()


def test_a_model_leads_back_to_prompts_orders_and_misdetections(cloud: FilledCloud) -> None:
    found = LineageResource.model_validate(get(cloud, f"models/{NEW[:8]}/lineage").json())
    assert (found.digest, found.weights_digest) == (NEW, "w" * 64)
    assert [one.digest for one in found.parents] == [NEW, OLD]
    assert found.campaign is not None
    assert found.campaign.id == cloud.campaign
    assert [mode.id for mode in found.failure_modes] == [MODE, "pothole.night-clear.missed"]
    assert (found.failure_modes[0].misdetections, found.failure_modes[0].sites) == (92, ("north",))
    (ordered,) = found.orders
    assert (ordered.count, ordered.set_digest, ordered.images) == (5, "d" * 64, 2)
    assert found.images_kept == 48
    images = {image.name: image for image in found.images}
    assert images["order-1"].left_out
    assert not images["order-2"].left_out
    assert images["order-2"].hazards[0].prompt == "a fire at night"


def test_the_images_of_a_lineage_come_in_pages_that_join(cloud: FilledCloud) -> None:
    names: list[str] = []
    cursor = None
    for _ in range(9):
        page = LineageResource.model_validate(
            get(cloud, f"models/{NEW}/lineage", limit=20, cursor=cursor).json()
        )
        names += [image.name for image in page.images]
        cursor = page.next
        if cursor is None:
            break
    assert len(names) == len(set(names)) == 48


def test_a_model_without_a_campaign_says_that_nothing_is_recorded(cloud: FilledCloud) -> None:
    found = LineageResource.model_validate(get(cloud, f"models/{OLD}/lineage").json())
    assert (found.campaign, found.orders, found.images, found.next) == (None, (), (), None)
    assert "no campaign of this cloud made this model" in found.notes[0]
    assert set(found.sites) == {"north", "south"}
    assert get(cloud, "models/00000000/lineage").status_code == 404


def test_a_limited_user_sees_no_site_of_another_group(cloud: FilledCloud) -> None:
    for digest in (OLD, NEW):
        assert "north" not in get(cloud, f"models/{digest}/lineage", user="ana").text
    assert "shadow:north" in get(cloud, f"campaigns/{cloud.campaign}/evaluations").text
    assert "north" not in get(cloud, f"campaigns/{cloud.campaign}/evaluations", user="ana").text


def test_candidate_incumbent_first_and_best_are_side_by_side(cloud: FilledCloud) -> None:
    found = EvaluationsResource.model_validate(get(cloud, f"campaigns/{cloud.campaign}/evaluations").json())
    assert {model.kind: model.digest for model in found.models} == {
        "first": OLD, "best": NEW, "incumbent": OLD, "candidate": NEW
    }  # fmt: skip
    cells = {(cell.set, cell.class_name, cell.condition): cell.scores for cell in found.cells}
    whole = cells["holdout", "fire", "all"]
    assert (whole["first"].ap50, whole["candidate"].ap50, whole["best"].ap50) == (0.6, 0.7, 0.7)
    assert whole["incumbent"].recall_interval == (0.3, 0.7)
    assert (whole["first"].ap50_interval, whole["candidate"].ap50_interval) == (None, (0.58, 0.81))
    assert (whole["first"].ap50_95_interval, whole["candidate"].ap50_95_interval) == (None, (0.21, 0.39))
    assert set(cells["shadow:north", "fire", "night-clear"]) == {"first", "best", "incumbent", "candidate"}
    shadow = cells["shadow:north", "fire", "night-clear"]["candidate"]
    assert (shadow.camera_hours, shadow.false_alarms_per_camera_hour) == (16.0, 0.25)
    assert shadow.false_alarms_interval == pytest.approx((0.0671, 0.6401), abs=1e-3)
    assert any("no control model is evaluated" in note for note in found.notes)
    assert any("camera-hours are an estimate" in note for note in found.notes)
    assert any("the intervals of AP50 and AP50-95 are" in note for note in found.notes)


def test_a_control_model_is_beside_the_candidate_and_never_the_candidate_or_the_best(
    cloud: FilledCloud,
) -> None:
    control = "c0" * 32
    scores = {"truths": 84, "recall": 0.99, "ap50": 0.99}
    cloud.rows.put_evaluations(
        [
            EvaluationRow(cloud.campaign, control, "control", "fire", where, scores)
            for where in ("day-clear", "all")
        ]
    )
    found = EvaluationsResource.model_validate(get(cloud, f"campaigns/{cloud.campaign}/evaluations").json())
    assert {model.kind: model.digest for model in found.models} == {
        "first": OLD, "best": NEW, "incumbent": OLD, "candidate": NEW, "control": control
    }  # fmt: skip
    cells = {(cell.set, cell.class_name, cell.condition): cell.scores for cell in found.cells}
    assert {name for name, *_ in cells} == {"holdout", "shadow:north"}, "it is measured on the same holdout"
    assert cells["holdout", "fire", "all"]["control"].ap50 == 0.99
    assert cells["holdout", "fire", "all"]["best"].ap50 == 0.7
    assert any(note.startswith("the control model was trained like") for note in found.notes)
    comparison = get(cloud, f"campaigns/{cloud.campaign}/comparison").json()["items"]
    assert {cell["role"] for cell in comparison} == {"holdout", "shadow:north"}


def test_the_best_model_has_the_highest_mean_over_its_classes() -> None:
    def row(digest: str, name: str, ap50: float | None, campaign: str = "C") -> EvaluationRow:
        return EvaluationRow(campaign, digest, "holdout", name, "all", {"ap50": ap50})

    assert best_model([]) is None
    assert best_model([row("a", "fire", None)]) is None
    rows = [row("a", "fire", 0.9), row("a", "smoke", 0.1), row("b", "fire", 0.6)]
    assert best_model(rows) == "b"
    assert best_model([*rows, row("b", "fire", 0.2, "later")]) == "a"
    assert best_model([row("a", "fire", 0.5), row("b", "fire", 0.5)]) == "a"
