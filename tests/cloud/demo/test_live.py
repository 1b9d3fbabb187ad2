"""The demo's view: on a pipe every status is a line, with the time left by the plan."""

import io

from rich.console import Console

from cloud.demo.budget import Slowness, plan_demo
from cloud.demo.live import LiveView

PLAN = plan_demo(Slowness(1.0, 1.0, 1.0), 12)


def test_the_time_left_is_shown_from_the_first_part_on_and_falls_with_the_parts() -> None:
    console = Console(file=io.StringIO(), width=200)
    with LiveView(console) as view:
        view.show_status("before the plan")
        view.follow(PLAN)
        for part in ("observe", "train", "rest"):
            view.begin_part(part)
            view.show_status(part)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert "left" not in lines[0]
    left = [int(line.split("about ")[1].split(" min left")[0]) for line in lines[1:]]
    assert left == sorted(left, reverse=True)
    assert left[0] > left[2] >= 1
