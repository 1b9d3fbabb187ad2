"""The clock of a node is set while it runs: it goes on with its frames and its model."""

import time
from pathlib import Path

import pytest

from tests.support.set_clock import SetClock
from tests.support.trouble.node_folder import NodeFolder
from tests.support.waiting import wait_until

LIMIT_S = 60.0
HOUR_S, DAY_S = 3600, 86_400

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]


def test_frames_are_processed_by_the_same_model_whatever_the_clock_was_set_to(tmp_path: Path) -> None:
    node, clock = NodeFolder(tmp_path / "site"), SetClock(tmp_path / "clock")
    manifest = node.sign_model()
    node.write_config()
    with node.running(environment=clock.environment) as process:
        for n, offset_s in enumerate((0, HOUR_S, -DAY_S, 600 - int(time.time()), 0), start=2):
            before = node.frames()
            clock.set(offset_s)
            node.add_image(f"{n:04}.png", level=40 * n)
            wait_until(lambda before=before: node.frames() > before, LIMIT_S)
            assert manifest.digest[:12] in node.page("/metrics")[1]
        assert process.poll() is None, "the node ended"
    assert "Traceback" not in node.log.read_text()
