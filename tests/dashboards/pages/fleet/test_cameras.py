"""The rows of the lists of cameras."""

from dashboards.pages.fleet.cameras import row
from dashboards.scope import Scope
from messaging.api.sites import BudgetResource, CameraResource

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
