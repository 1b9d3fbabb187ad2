"""The first seconds of a demo: measure the machine, plan, and print the plan."""

import tempfile
import time
from pathlib import Path

from rich.console import Console

from cloud.demo.budget import MEASURING_LIMIT_S, DemoPlan, Slowness, plan_demo
from cloud.settings import CloudSettings
from cloud.speed import measure


def measured_plan(minutes: float, console: Console) -> DemoPlan:
    """Measure the machine and print what a run of these minutes does on it."""
    began = time.monotonic()
    console.print("measuring this machine", highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        speed = measure(CloudSettings(data=Path(folder)), limit_s=MEASURING_LIMIT_S)
    plan = plan_demo(Slowness.of(speed), minutes, time.monotonic() - began)
    for line in (f"this machine: {speed}", *speed.faults, *plan.lines()):
        console.print(line, highlight=False, markup=False)
    return plan
