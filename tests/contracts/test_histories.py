"""What the database keeps about the past, on every database."""

from cloud.store.database import Database
from cloud.store.mode_store import ModeStore
from cloud.store.records import ModeState, ModeStatus

MODE = "pothole.night-rain.missed"


def test_every_change_of_a_status_is_kept_with_its_reason(database: Database) -> None:
    store = ModeStore(database)
    store.put(ModeState(MODE, ModeStatus.OPEN, 1), "found")
    store.put(ModeState(MODE, ModeStatus.IN_CAMPAIGN, 2, "C1"), "campaign C1 began")
    store.put(ModeState(MODE, ModeStatus.IN_CAMPAIGN, 3, "C1", baseline_rate=0.5), "no change")
    store.put(ModeState("smoke.day-fog.missed", ModeStatus.CLOSED, 4), "another mode")
    store.put(ModeState(MODE, ModeStatus.CLOSED, 5, "C1"), "recall is above the target")
    assert [(c.at, c.before, c.status, c.campaign, c.reason) for c in store.changes(MODE)] == [
        (2, ModeStatus.OPEN, ModeStatus.IN_CAMPAIGN, "C1", "campaign C1 began"),
        (5, ModeStatus.IN_CAMPAIGN, ModeStatus.CLOSED, "C1", "recall is above the target"),
    ]
    assert len(store.changes()) == 3
