"""Attacks on the signature: what a campaign's evaluation does not cover is not signed."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from cloud.campaigns.promotion_gate import PromotionGate
from cloud.errors import NotNow
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database
from cloud.store.records import CampaignPlan, CampaignStage, StageState
from messaging.releases import Channel
from messaging.runtime.quoting import sqlite_url
from tests.support.cloud.sample_reports import MODE, NEW, OLD

OTHER = "0c" * 32
FILES: dict[str, object] = {"files": {OLD: "a", NEW: "b"}}
PASSED = {"verdict": {"outcome": "pass", "candidate": NEW}}
EVALUATED = (CampaignStage.EVALUATE, FILES, PASSED)
ON_TRIAL = (CampaignStage.TRIAL, {"digest": NEW, "version": 2}, {"outcome": "pass"})
SHADOW: dict[str, object] = {"reports": {"harbour": {"candidate_digest": NEW}}}
IN_SHADOW = (CampaignStage.SHADOW, SHADOW, {"outcome": "pass"})
Row = tuple[CampaignStage, dict[str, object], Mapping[str, object]]


def gate(folder: Path, *rows: Row, state: StageState = StageState.DONE) -> PromotionGate:
    store = CampaignStore(open_database(sqlite_url(folder / "store.sqlite")))
    store.create("C1", CampaignPlan((MODE,), 3, incumbent_digest=OLD), started_by="test")
    for number, (stage, output, metrics) in enumerate(rows):
        last = number == len(rows) - 1
        store.begin_stage("C1", stage, "d")
        ended = state if last else StageState.DONE
        store.end_stage("C1", stage, "d", state=ended, output=output, metrics=metrics)
    return PromotionGate(store)


def test_what_was_evaluated_and_passed_is_signed(tmp_path: Path) -> None:
    asked = gate(tmp_path, EVALUATED, ON_TRIAL, IN_SHADOW)
    asked("C1", NEW, Channel.TRIAL)
    asked("C1", NEW, Channel.SERVICE)


@pytest.mark.parametrize("channel", list(Channel))
def test_a_stage_that_hands_over_another_digest_gets_no_signature(tmp_path: Path, channel: Channel) -> None:
    with pytest.raises(NotNow, match=f"not signed for {channel}: no evaluation of it"):
        gate(tmp_path, EVALUATED, ON_TRIAL, IN_SHADOW)("C1", OTHER, channel)


@pytest.mark.parametrize("channel", list(Channel))
def test_a_control_model_is_not_signed_beside_a_candidate_that_passed(
    tmp_path: Path, channel: Channel
) -> None:
    control = {"bundle_digest": OTHER, "bundle": "train/control/model.onnx"}
    trained = (CampaignStage.TRAIN, {"bundle_digest": NEW, "control": control}, {"control": {"seconds": 9}})
    evaluated = (CampaignStage.EVALUATE, FILES, {**PASSED, "control": {"pothole": {"recall": 1.0}}})
    asked = gate(tmp_path, trained, evaluated, ON_TRIAL, IN_SHADOW)
    with pytest.raises(NotNow, match=f"not signed for {channel}: no evaluation of it"):
        asked("C1", OTHER, channel)
    asked("C1", NEW, channel)


def test_the_trial_signature_comes_after_the_verdict_and_before_the_end_of_its_stage(tmp_path: Path) -> None:
    gate(tmp_path, EVALUATED)("C1", NEW, Channel.TRIAL)


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"verdict": {}},
        {"verdict": {"outcome": "fail", "candidate": NEW}},
        {"verdict": {"outcome": "wait", "candidate": NEW}},
        {"verdict": {"outcome": "pass"}},
        {"verdict": {"outcome": "pass", "candidate": OTHER}},
    ],
)
def test_nothing_is_signed_not_even_for_a_trial_without_a_verdict_that_it_passed(
    tmp_path: Path, channel: Channel, metrics: Mapping[str, object]
) -> None:
    evaluated = (CampaignStage.EVALUATE, FILES, metrics)
    with pytest.raises(NotNow, match=f"not signed for {channel}: no verdict on the holdout"):
        gate(tmp_path, evaluated, ON_TRIAL, IN_SHADOW)("C1", NEW, channel)


def test_a_campaign_without_an_evaluation_gets_no_signature(tmp_path: Path) -> None:
    with pytest.raises(NotNow, match="no evaluation of it"):
        gate(tmp_path, ON_TRIAL, IN_SHADOW)("C1", NEW, Channel.SERVICE)


@pytest.mark.parametrize(
    ("rows", "state", "reason"),
    [
        ((EVALUATED,), StageState.FAILED, "no evaluation of it"),
        ((EVALUATED, ON_TRIAL), StageState.STOPPED, "has not passed the evaluation"),
        ((EVALUATED, ON_TRIAL), StageState.DONE, "no shadow runs"),
        ((EVALUATED, ON_TRIAL, IN_SHADOW), StageState.STOPPED, "no shadow runs"),
    ],
)
def test_an_evaluation_that_failed_gets_no_signature_for_service(
    tmp_path: Path, rows: tuple[Row, ...], state: StageState, reason: str
) -> None:
    with pytest.raises(NotNow, match=reason):
        gate(tmp_path, *rows, state=state)("C1", NEW, Channel.SERVICE)
