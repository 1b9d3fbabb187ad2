"""The algorithm-register card of releases that were really signed: facts of the store, or `not recorded`."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict

import httpx
import pytest
from typer.testing import CliRunner, Result

from cloud.api.card_markdown import UNKNOWN, card_markdown
from cloud.campaigns.holdout_rows import holdout_rows
from cloud.cli.main import app
from cloud.data.datasets import DatasetCard
from cloud.data.roles import DataRole
from cloud.errors import NotKnown
from cloud.evaluation.evaluate import Evaluation, Tally
from cloud.fleet.release_register import record_release
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings, FailureModeSettings, ModelCardSettings
from cloud.store.access_records import AuditEntry
from cloud.store.audit_store import AuditStore
from cloud.store.database import open_database
from cloud.store.records import CampaignPlan, CampaignStage, EvaluationRow, Release, StageState
from messaging.blobs import digest_of
from messaging.card_resources import ModelCard
from messaging.intervals import wilson
from messaging.releases import Channel
from messaging.runtime.quoting import sqlite_url
from tests.support.cloud.running_cloud import FIRST, RunningCloud, running_cloud
from tests.support.cloud.sample_reports import FOR_EVER, MODE, misdetection, tally
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.fake_detector import describe, fake_bundle
from tests.support.waiting import wait_until

HERE, CANDIDATE = digest_of(FIRST), fake_bundle("candidate")
SETS = [
    {"digest": "a" * 64, "name": "our streets", "role": "base", "images": 60},
    {"digest": "b" * 64, "name": MODE, "role": "generated", "images": 30},
]
GENERATOR = {"name": "small-sd", "digest": "c" * 64, "licence": "AGPL-3.0-or-later"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    settings = CloudSettings(
        data=tmp_path_factory.mktemp("cloud"),
        api=ApiSettings(port=0),
        failure_modes=FailureModeSettings(window_days=36500),
        retention=FOR_EVER,
        model_cards=ModelCardSettings(
            owner="City | of <b>Harbour</b>", purpose="finds [hazards](x)\non streets"
        ),
    )
    with running_cloud(settings, lambda _: ScriptedStages(), sites=("harbour",)) as up:
        wait_until(lambda: up.sites and up.sites["harbour"].model == HERE)
        up.report("harbour", misdetection(model_digest=HERE), tally(model_digest=HERE))
        wait_until(lambda: up.parts is not None and up.parts.register.modes())
        yield up


@pytest.fixture(scope="module")
def candidate(cloud: RunningCloud) -> str:
    """A release with the records that a campaign leaves, signed for trial and for service."""
    assert cloud.parts is not None
    parts, rows, campaign = cloud.parts, cloud.parts.campaign_rows, "01CARD"
    rows.create(campaign, CampaignPlan((MODE,), 30, incumbent_digest=HERE), started_by="rule:night-potholes")
    digest, description = digest_of(CANDIDATE), describe("candidate")
    trained_on = {"sets": SETS, "empty_streets": 10, "empty_streets_drawn": True}
    outputs: dict[CampaignStage, dict[str, object]] = {
        CampaignStage.TRAIN: {"bundle_digest": digest, "weights_digest": "d" * 64},
        CampaignStage.EVALUATE: {"files": {HERE: "a", digest: "b"}},
        CampaignStage.TRIAL: {"digest": digest},
        CampaignStage.SHADOW: {"reports": {"harbour": {"candidate_digest": digest}}},
    }
    for stage, metrics in (
        (CampaignStage.PLAN, {"with_prototype": 1}),
        (CampaignStage.FILTER, {"generators": [GENERATOR]}),
        (CampaignStage.TRAIN, {"trained_on": trained_on}),
        (CampaignStage.EVALUATE, {"verdict": {"outcome": "pass", "candidate": digest}}),
        (CampaignStage.TRIAL, {"outcome": "pass"}),
        (CampaignStage.SHADOW, {"outcome": "pass"}),
    ):
        rows.begin_stage(campaign, stage, "x")
        out = outputs.get(stage, {})
        rows.end_stage(campaign, stage, "x", state=StageState.DONE, output=out, metrics=metrics)
    shadow = {"supported": 40, "detected": 30, "unsupported": 2, "recall": 0.75}
    cells = (
        Tally("pothole", "day-clear", 50, 45, 3, 5, 0.9, 0.6),
        Tally("fire", "night-clear", 20, 2, 1, 8, 0.2, 0.1),
    )
    rows.put_evaluations(
        [
            *holdout_rows(campaign, digest, "holdout", Evaluation("candidate", digest, 58, cells)),
            EvaluationRow(campaign, digest, "shadow:harbour", "pothole", "night-rain", shadow),
            EvaluationRow(campaign, HERE, "holdout", "smoke", "day-clear", {"truths": 9, "recall": 1.0}),
        ]
    )
    for manifest in (
        parts.publisher.publish_trial(
            CANDIDATE, description, campaign=campaign, evaluation=b"{}", synthetic_set_digest="b" * 64
        ),
        parts.publisher.promote(digest, campaign=campaign),
    ):
        values = description.model_dump(mode="json")
        record_release(parts.releases, manifest, values, campaign=campaign, signed_at=rows.now())
    return digest


def run(cloud: RunningCloud, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", "card", *arguments, "--data", str(cloud.settings.data)])


def test_a_card_states_data_evaluation_licences_and_decisions_of_a_release(
    cloud: RunningCloud, candidate: str
) -> None:
    done = run(cloud, candidate[:12], "--format", "json")
    card = ModelCard.model_validate_json(done.output)
    assert (card.digest, card.weights_digest, card.parent_digest) == (candidate, "d" * 64, None)
    assert card.training is not None
    assert (card.training.images, card.training.synthetic_fraction) == (100, 0.4)
    found = {(one.set, one.class_name, one.condition): one for one in card.evaluations}
    assert len(found) == 5
    pothole = found["holdout", "pothole", "day-clear"]
    assert (pothole.n, pothole.recall, pothole.false_positives) == (50, 0.9, 3)
    assert pothole.recall_interval == pytest.approx(wilson(45, 50))
    assert found["shadow:harbour", "pothole", "night-rain"].recall_interval == pytest.approx(wilson(30, 40))
    licences = {(one.part, one.name): one.licence for one in card.licences}
    assert licences["generator", "small-sd"] == "AGPL-3.0-or-later"
    assert licences["dataset", "our streets"] is None
    decisions = {one.what: one.by for one in card.decisions}
    assert decisions["the campaign was started"] == "rule:night-potholes"
    assert decisions["the campaign was approved"] is None
    assert [what for what in decisions if what.startswith("signed for channel")] == [
        "signed for channel trial, version 2", "signed for channel service, version 2"
    ]  # fmt: skip
    assert set(card.not_recorded) == {
        "contact", "licence of dataset our streets", "by whom: the campaign was approved"
    }  # fmt: skip


def test_the_card_states_who_approved_the_campaign(cloud: RunningCloud, candidate: str) -> None:
    assert cloud.parts is not None
    parts, values = cloud.parts, describe("asked").model_dump(mode="json")
    parts.campaign_rows.create("01ASKED", CampaignPlan(("smoke.day-fog.missed",), 30), started_by="ana")
    parts.releases.put_release(Release("a5" * 32, Channel.TRIAL, "asked", 9, 1, None, "01ASKED", values, 1))

    def approved(digest: str) -> str | None:
        card = ModelCard.model_validate_json(run(cloud, digest, "--json").output)
        return next(one.by for one in card.decisions if one.what == "the campaign was approved")

    assert approved("a5" * 32) == "ana", "a person who starts a campaign approves it"
    action, campaign = "POST /campaigns/{campaign}/approve", "campaign 01CARD"
    with closing(open_database(sqlite_url(cloud.settings.folder.store))) as database:
        for status, user in ((200, "bob"), (409, "eve")):
            AuditStore(database).add(AuditEntry(5, user, "here", action, campaign, status, None, None))
    assert approved(candidate) == "bob"


def test_a_card_names_blind_spots_that_its_own_evaluation_shows_or_leaves_open(
    cloud: RunningCloud, candidate: str
) -> None:
    spots = ModelCard.model_validate_json(run(cloud, candidate, "--json").output).blind_spots
    below = {(one.class_name, one.condition) for one in spots if one.kind == "below_target"}
    assert below == {("fire", "night-clear"), ("fire", None)}, (
        "pothole reaches its target of 50 % with its lower bound"
    )
    assert "recall may be below the target of 50%" in next(
        s.sentence for s in spots if s.kind == "below_target"
    )
    unknown = {one.class_name for one in spots if one.kind == "not_evaluated" and one.condition is None}
    assert unknown == set(describe().class_names) - {"pothole", "fire"}, (
        "smoke was evaluated for its parent only"
    )
    assert not [one for one in spots if one.kind == "failure_mode"], "the candidate is in service nowhere"


def test_the_card_of_the_model_in_service_has_the_open_failure_modes(cloud: RunningCloud) -> None:
    card = ModelCard.model_validate_json(run(cloud, HERE[:8], "--format", "json").output)
    (mode,) = (one for one in card.blind_spots if one.kind == "failure_mode")
    assert (mode.class_name, mode.condition) == ("pothole", "night-rain")
    assert "40 tracks" in mode.sentence
    assert card.sites == ("harbour",)
    assert {"training", "weights_digest", "evaluations"} <= set(card.not_recorded)


def test_markdown_says_not_recorded_and_text_from_elsewhere_breaks_no_table(
    cloud: RunningCloud, candidate: str
) -> None:
    done = run(cloud, candidate)
    assert done.exit_code == 0
    text = done.output
    assert f"| contact | {UNKNOWN} |" in text
    assert "| owner | City \\| of &lt;b>Harbour&lt;/b> |" in text
    assert "| purpose | finds \\[hazards](x) on streets |" in text
    assert "40.0% are synthetic" in text
    whole = ModelCard.model_validate_json(run(cloud, candidate, "--json").output)
    assert card_markdown(whole).splitlines()[4:] == text.splitlines()[4:]


def test_an_unknown_digest_is_one_sentence(cloud: RunningCloud) -> None:
    done = CliRunner().invoke(app, ["models", "card", "f" * 64, "--data", str(cloud.settings.data)])
    assert done.exit_code == 1
    with cloud.client() as client, pytest.raises(NotKnown, match="is not among the releases"):
        client.text("models/" + "f" * 64 + "/card.md")


def test_the_card_needs_the_token_because_it_names_sites(cloud: RunningCloud) -> None:
    url = json.loads(cloud.settings.folder.address.read_text())["url"]
    for suffix in ("card", "card.md"):
        assert httpx.get(f"{url}/api/v1/models/{HERE}/{suffix}", trust_env=False).status_code == 401


def test_the_licence_that_was_stated_for_data_is_on_the_card(
    cloud: RunningCloud, candidate: str, caplog: pytest.LogCaptureFixture
) -> None:
    def licence() -> str | None:
        card = ModelCard.model_validate_json(run(cloud, candidate, "--format", "json").output)
        return next(one.licence for one in card.licences if one.name == "our streets")

    stated = DatasetCard("a" * 64, DataRole.BASE, 60, 0, (), "our streets", licence="CC BY 4.0")
    folder = cloud.settings.folder.datasets / "base" / stated.digest
    folder.mkdir(parents=True)
    try:
        (folder / "dataset.json").write_text(json.dumps(asdict(stated)))
        assert licence() == "CC BY 4.0"
        (folder / "dataset.json").write_text("{")
        assert licence() is None
        assert "licences of data are not on cards" in caplog.text
    finally:
        shutil.rmtree(folder)
