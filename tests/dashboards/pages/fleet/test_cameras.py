"""The rows of the lists of cameras."""

from dashboards.pages.fleet.camera import health_markup, place_of
from dashboards.pages.fleet.cameras import row
from dashboards.scope import Scope
from messaging.api.places import PlaceResource
from messaging.api.sites import BudgetResource, CameraResource
from tests.support.dashboards.markup import text

BRIDGE = CameraResource(
    site="north",
    camera="bridge",
    connected=True,
    fps=5.0,
    frames=10,
    skipped=0,
    dropped=0,
    failures=0,
    detections=1,
    misdetections=0,
    inference_p50_ms=10.0,
    inference_p95_ms=20.0,
    frame_age_s=0.1,
    light="day",
    weather="clear",
)


def test_a_row_has_the_privacy_budget_of_the_last_prototype() -> None:
    spent = BRIDGE.model_copy(update={"epsilon_spent": 2.00049, "epsilon_spent_at": 60})
    assert row(spent, Scope())["epsilon"] == 2.0


def test_a_camera_without_a_prototype_has_no_budget_in_its_row() -> None:
    assert row(BRIDGE, Scope())["epsilon"] is None


def test_a_camera_of_an_older_site_has_no_budget_left_that_the_cloud_assumes() -> None:
    assert row(BRIDGE, Scope())["left"] == "not reported"
    budget = BudgetResource(epsilon=8.0, window_days=30, epsilon_left=0.0, account="spent")
    assert row(BRIDGE.model_copy(update={"budget": budget}), Scope())["left"] == "spent"


def test_the_page_of_a_camera_has_the_numbers_of_the_heartbeat_and_no_other() -> None:
    camera = BRIDGE.model_copy(update={"frames": 1_200, "skipped": 200, "failures": 3})
    shown = text(health_markup(camera, Scope()))
    assert "frames 1,200 of them processed 1,000 skipped without motion 200" in shown
    assert "inference p50 10 ms, p95 20 ms" in shown
    assert "failed frames 3" in shown
    assert "in no heartbeat" in health_markup(None, Scope())


FLOW = {
    **{"processed_fps": 4.0, "skipped_fps": 0.8, "decode_errors": 1200},
    **{"day_fraction": 0.55, "night_fraction": 0.35},
}


def test_what_became_of_the_frames_is_on_the_page_of_a_camera_and_in_its_row() -> None:
    camera = BRIDGE.model_copy(update=FLOW)
    shown = text(health_markup(camera, Scope()))
    assert "frames per second 5 in, 4 processed, 0.8 skipped" in shown
    assert "decode errors 1,200" in shown
    assert "frames by light 55 % by day, 35 % by night" in shown
    cells = row(camera, Scope())
    assert [cells[name] for name in ("fps", "processed", "skipped", "undecoded")] == [5.0, 4.0, 0.8, 1200]


def test_a_camera_of_an_older_site_states_nothing_of_what_became_of_its_frames() -> None:
    shown = text(health_markup(BRIDGE, Scope()))
    assert "frames per second 5 in, processed and skipped not reported" in shown
    assert "decode errors not reported" in shown
    assert "frames by light not reported" in shown
    cells = row(BRIDGE, Scope())
    assert [cells[name] for name in ("processed", "skipped", "undecoded")] == [None, None, None]


def test_a_camera_without_a_position_is_where_its_site_is() -> None:
    site, own = (
        PlaceResource(site="north", camera=name, longitude=x, latitude=50.0, open_hazards=0, severity=None)
        for name, x in ((None, 1.0), ("bridge", 2.0))
    )
    assert place_of((site, own), "north", "bridge") is own
    assert place_of((site, own), "north", "market") is site
    assert place_of((site, own), "south", "bridge") is None
