"""A configuration that would fail at run time is refused when it is read, with the reason."""

from typing import Any

import pytest
from pydantic import ValidationError

from edge.settings import CameraSettings, NodeSettings
from messaging.errors import ConfigurationError
from messaging.reports import Heartbeat
from messaging.runtime.configuration_files import parse_settings
from tests.support.messaging.samples import HEARTBEAT


def _node(**changes: Any) -> NodeSettings:
    values = {
        "site": "s1",
        "data": "data",
        "mirror": "mirror",
        "trust": "trust.json",
        "cameras": [{"name": "bridge", "source": "usb:0"}],
    }
    return NodeSettings.model_validate({**values, **changes})


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param([(0.1, 0.1), (0.9, 0.9)], id="two corners"),
        pytest.param([(0, 0), (640, 0), (640, 360)], id="in pixels"),
    ],
)
def test_a_zone_that_is_no_polygon_in_fractions_of_the_frame_is_refused(
    corners: list[tuple[float, float]],
) -> None:
    with pytest.raises(ValidationError, match=r"zone road needs at least three corners within 0\.\.1"):
        CameraSettings.model_validate({"name": "bridge", "source": "usb:0", "zones": {"road": corners}})


def test_a_release_that_costs_more_than_the_budget_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"epsilon_per_release \(2\) must not be above"):
        _node(privacy={"epsilon_per_release": 2, "epsilon_per_camera": 1})


def test_the_largest_budgets_of_all_cameras_together_fit_into_a_heartbeat() -> None:
    cameras = [{"name": f"c{number}", "source": "usb:0"} for number in range(16)]
    node = _node(cameras=cameras, privacy={"epsilon_per_camera": 60})
    spent = len(node.cameras) * node.privacy.epsilon_per_camera
    assert Heartbeat.model_validate({**HEARTBEAT.model_dump(), "epsilon_spent": spent})
    with pytest.raises(ValidationError, match="less than or equal to 60"):
        _node(cameras=cameras, privacy={"epsilon_per_camera": 80})


def test_an_unknown_scheme_is_refused_with_camera_line_and_the_nearest_one() -> None:
    text = (
        "site: north\ndata: d\nmirror: m\ntrust: t\ncameras:\n  - name: gate\n"
        "    source: rtps://admin:geheim@10.0.0.5/stream\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(NodeSettings, text, origin="node.yaml", environment={})
    sentence = str(caught.value)
    assert sentence.startswith("node.yaml line 7: cameras.0.source: ")
    assert "camera gate: source rtps: is no known scheme; did you mean rtsp?" in sentence
    assert "geheim" not in sentence


@pytest.mark.parametrize("key", ["segments", "loop"])
def test_a_setting_of_files_is_refused_for_a_live_camera(key: str) -> None:
    with pytest.raises(ValidationError, match=f"camera gate: {key} is for files and folders; its source is"):
        CameraSettings.model_validate({"name": "gate", "source": "RTSP://10.0.0.5/s", key: True})
    assert CameraSettings.model_validate({"name": "gate", "source": "clips", key: True}).name == "gate"
