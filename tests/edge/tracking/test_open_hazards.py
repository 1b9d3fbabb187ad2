"""Open hazards on disk: what stands is kept as last told, what closed is gone, damage is no crash."""

from pathlib import Path

from edge.tracking.open_hazards import OpenHazards
from messaging.reports import HazardState
from tests.support.messaging.samples import HAZARD


def test_what_stands_is_kept_as_it_was_last_told_and_what_closed_is_not(tmp_path: Path) -> None:
    path = tmp_path / "hazards" / "bridge.json"
    opened = HAZARD.model_copy(update={"state": HazardState.OPENED})
    worse = HAZARD.model_copy(update={"state": HazardState.UPDATED, "severity": 5})
    OpenHazards(path).record([opened])
    OpenHazards(path).record([worse])
    assert OpenHazards(path).events == (worse,)
    OpenHazards(path).record([HAZARD.model_copy(update={"state": HazardState.CLOSED})])
    assert OpenHazards(path).events == ()


def test_a_damaged_file_is_kept_aside_and_nothing_stands(tmp_path: Path) -> None:
    path = tmp_path / "bridge.json"
    path.write_text("[{")
    assert OpenHazards(path).events == ()
    assert path.with_suffix(".damaged").read_text() == "[{"
