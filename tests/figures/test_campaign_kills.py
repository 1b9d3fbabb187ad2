"""A campaign that is killed and continued makes what an undisturbed one makes; a careless one does not."""

from pathlib import Path

import pytest

from cloud.store.records import CampaignStage
from tests.support.faults.campaign_kills import differing, killed_and_continued, result_hash, undisturbed
from tests.support.faults.campaign_program import POINTS


def test_there_are_forty_points_four_in_each_stage() -> None:
    assert len(set(POINTS)) == 40
    assert {point.split(".")[0] for point in POINTS} == {str(stage) for stage in CampaignStage}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_campaign_ends_with_the_hash_of_an_undisturbed_one(tmp_path: Path) -> None:
    wanted = undisturbed(tmp_path / "undisturbed")
    for point in ("synthesise.inside", "train.inside", "service.inside", "trial.stored"):
        found = killed_and_continued(tmp_path / point, point)
        assert differing(found, wanted) == [], point
        assert result_hash(found) == result_hash(wanted)
    careless = killed_and_continued(tmp_path / "careless", "train.inside", careless=True)
    assert "weights" in differing(careless, wanted)
    assert result_hash(careless) != result_hash(wanted)
