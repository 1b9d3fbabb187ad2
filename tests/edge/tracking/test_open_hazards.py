"""Open hazards on disk: kept as last reported until closed; a damaged file is no crash."""

from pathlib import Path

from edge.tracking.open_hazards import OpenHazards
from messaging.reports import HazardState
from tests.support.messaging.samples import HAZARD


def test_an_open_hazard_is_kept_as_last_reported_and_a_closed_one_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "hazards" / "bridge.json"
    opened = HAZARD.model_copy(update={"state": HazardState.OPENED})
    worse = HAZARD.model_copy(update={"state": HazardState.UPDATED, "severity": 5})
    OpenHazards(path).record([opened])
    OpenHazards(path).record([worse])
    assert OpenHazards(path).events == (worse,)
    OpenHazards(path).record([HAZARD.model_copy(update={"state": HazardState.CLOSED})])
    assert OpenHazards(path).events == ()


def test_a_damaged_file_is_set_aside_and_no_hazard_is_open(tmp_path: Path) -> None:
    path = tmp_path / "bridge.json"
    path.write_text("[{")
    assert OpenHazards(path).events == ()
    assert path.with_suffix(".damaged").read_text() == "[{"
