"""The outcome of a demo run, from the last state of the cloud and the files of the sites."""

import json
from pathlib import Path

import numpy as np
import pytest

from cloud.data.boxes import TrueBox
from cloud.data.labelled_images import write_index, write_labelled
from cloud.demo.outcome import (
    CloudState,
    images_of,
    photograph_rows,
    promoted_model,
    rounds_in_a_row,
    samples_of,
    shadow_rows,
    site_bytes,
    stage_metric,
    stage_times,
)
from cloud.demo.result import Score
from edge.vision.onnx_detector import OnnxDetector
from messaging.resources import CampaignResource, ComparisonResource
from messaging.taxonomy import Condition, Light
from tests.support.cloud.demo_results import campaign, stage
from tests.support.edge.tiny_bundles import tiny_bundle


def verified(state: str, **status: str) -> CampaignResource:
    """A campaign whose verify stage measured these states of failure modes."""
    metrics = {mode: {"status": state} for mode, state in status.items()} | {"seconds": 90.0}
    return campaign(state=state, modes=tuple(status), stages=(stage("verify", metrics=metrics),))


@pytest.mark.parametrize(
    ("campaigns", "rounds"),
    [
        ([("done", "fire"), ("done", "garbage"), ("done", "smoke")], 3),
        ([("done", "fire"), ("done", "fire"), ("done", "smoke")], 1),
        ([("done", "fire"), ("rejected", "garbage"), ("done", "smoke"), ("done", "pothole")], 2),
        ([("rejected", "fire")], 0),
    ],
    ids=["each another", "the same again", "one in between did not", "none"],
)
def test_rounds_count_in_a_row_each_with_another_mode(campaigns: list[tuple[str, str]], rounds: int) -> None:
    assert rounds_in_a_row(verified(state, **{mode: "closed"}) for state, mode in campaigns) == rounds


def test_a_round_whose_mode_is_waiting_does_not_count() -> None:
    assert rounds_in_a_row([verified("done", fire="waiting")]) == 0


def test_a_model_is_promoted_only_by_a_finished_rollout() -> None:
    assert promoted_model(campaign()) == "b" * 64
    assert promoted_model(campaign(stages=(stage("roll_out", state="failed"),))) is None
    assert promoted_model(campaign(stages=(stage("service"),))) is None


def test_a_metric_of_a_stage_that_was_not_reached_is_none() -> None:
    assert stage_metric(campaign(), "roll_out", "frames_lost") == 0
    assert stage_metric(campaign(), "verify", "frames_lost") is None
    assert stage_metric(campaign(), "roll_out", "other") is None


def test_photographs_are_compared_class_by_class_over_all_conditions(tmp_path: Path) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:32, 16:32, 2] = 255  # the tiny detector reports a red square as fire
    for name in ("day", "night"):
        write_labelled(tmp_path, name, image, [TrueBox("fire", (16.0, 16.0, 32.0, 32.0))], ["fire"])
    write_index(
        tmp_path,
        [(f"{light}.jpg", f"{light} street", Condition(light)) for light in (Light.DAY, Light.NIGHT)],
    )
    seeing = OnnxDetector(tiny_bundle())
    (row,) = photograph_rows([seeing, seeing], tmp_path)
    assert (row.class_name, row.condition) == ("fire", "photographs")
    assert row.before == row.after == Score(2, 2, 0)


def test_images_of_all_campaigns_are_summed() -> None:
    two = campaign(modes=("a", "b"), images_kept=100, images_refused={"duplicate": 2, "unsafe": 1})
    images = images_of(CloudState((campaign(), two), (), ()))
    assert (images.ordered, images.kept) == (60 + 2 * 60, 155)
    assert images.refused == {"duplicate": 7, "unsafe": 1}


def test_stage_times_are_seconds_and_zero_for_a_stage_that_did_not_start() -> None:
    stages = (stage("plan", started_at=100, ended_at=103), stage("train", state="pending"))
    assert stage_times(campaign(stages=stages)) == {"plan": 3.0, "train": 0.0}


def test_tracks_of_the_shadow_runs_become_rows_and_the_holdout_does_not() -> None:
    def cell(role: str, **models: dict[str, int] | None) -> ComparisonResource:
        return ComparisonResource(
            campaign="c", incumbent_digest="a", candidate_digest="b", role=role, class_name="fire",
            condition="night-rain", before=models.get("before"), after=models.get("after"),
        )  # fmt: skip

    after = {"supported": 40, "detected": 30, "unsupported": 3}
    cells = [cell("holdout", after=after), cell("shadow:north", before=None, after=after)]
    (row,) = shadow_rows(cells, frozenset({"fire.night-rain.missed"}))
    assert row.target
    assert (row.before, row.after) == (Score(0, 0, 0), Score(40, 30, 3))
    (other,) = shadow_rows(cells, frozenset({"fire.night-rainy.missed"}))
    assert not other.target


def test_bytes_of_a_site_come_from_its_gate_and_are_compared_with_its_footage(tmp_path: Path) -> None:
    gate = tmp_path / "sites" / "north" / "gate"
    gate.mkdir(parents=True)
    status = {"bytes_by_kind": {"hazard": 300}, "forwarded": {"hazard": 2}}
    (gate / "gate_status.json").write_text(json.dumps(status))
    for camera, size in (("bridge", 100_000), ("market", 200_000), ("harbour", 5)):
        folder = tmp_path / "footage" / camera
        folder.mkdir(parents=True)
        (folder / "0.mp4").write_bytes(bytes(size))
    sent = site_bytes(tmp_path, "north", ["bridge", "market"])
    assert (sent.by_kind, sent.messages, sent.footage_bytes) == ({"hazard": 300}, {"hazard": 2}, 300_000)
    assert sent.footage_fraction == pytest.approx(0.001)


def test_samples_are_data_urls_and_equal_for_equal_folders(tmp_path: Path) -> None:
    assert samples_of(tmp_path) == ()
    folder = tmp_path / "set" / "thumbnails"
    folder.mkdir(parents=True)
    for number in range(20):
        (folder / f"{number:02d}.jpg").write_bytes(bytes([number]))
    samples = samples_of(tmp_path)
    assert len(set(samples)) == 12
    assert all(sample.startswith("data:image/jpeg;base64,") for sample in samples)
    assert samples_of(tmp_path) == samples
