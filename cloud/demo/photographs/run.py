"""`blindspot demo-real`: the loop on real photographs, from the training of its detectors to the figures."""

import datetime
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from cloud.demo.control import first_training, train_control
from cloud.demo.photographs.outcome import (
    Arms,
    RealTruth,
    figures_of_real,
    read_truth,
    real_outcome,
)
from cloud.demo.photographs.scenario import RealInput, RealScenario, real_demo_profile
from cloud.demo.report import write_report
from cloud.demo.result import DemoResult, Measured
from cloud.demo.run import TINY_NOTE, run_rounds, running
from cloud.settings import DataFolder
from messaging.figures import Figure, write_figures

INTRODUCTION = (
    "Two cameras show photographs of highways, a third a video of a fire. The loop received tags, box "
    "geometry and prototypes; the labels of the val photographs were read once, after it had ended."
)


def run_real(
    out: Path, given: RealInput, console: Console, *, tiny: bool = False
) -> tuple[DemoResult, list[Figure]]:
    """Run the real loop and write `report.html`, `report.json` and the figures below `out`.

    Raises:
        DataRefused: the photographs are not in the expected layout.
        DemoFailed, TrainingFailed: a program ended, or a phase took too long.
    """
    began, work = time.monotonic(), out / "work"
    real, demo_profile = real_demo_profile(tiny=tiny)
    scenario = RealScenario(work, given, real)
    with running(work, demo_profile, scenario, console) as (demo, process, cloud):
        base, evidence = run_rounds(demo, process, cloud, 1)
    last = evidence.campaigns[-1]
    models = DataFolder(work / "cloud").models
    console.print("training the control arm, then reading the labels of val", highlight=False)
    training = first_training(DataFolder(work / "cloud").campaign(last.id))
    control = None if training is None else train_control(work, training)
    candidate = last.candidate_digest
    arms = Arms(
        models / base / "model.onnx",
        models / candidate / "model.onnx" if candidate else None,
        control.bundle if control else None,
    )
    truth: RealTruth = read_truth(arms, given)
    measured = Measured((time.monotonic() - began) / 60, demo.peak_gb, None, None, None)
    cameras = {
        site: [str(camera["name"]) for camera in scenario.player.cameras(site)]
        for site in scenario.player.sites
    }
    result = real_outcome(work, evidence, measured, truth, cameras)
    result = replace(result, notes=(*result.notes, TINY_NOTE)) if tiny else result
    figures = [
        *figures_of_real(result, truth),
        Figure("detector_training_minutes", scenario.training_minutes, "min"),
    ]
    page = write_report(result, out, figures=figures, introduction=INTRODUCTION)
    name = f"{out.name}-tiny" if tiny else out.name
    write_figures(
        out.parent / "figures" / f"{name}.json",
        figures,
        command="blindspot demo-real --tiny" if tiny else "make demo-real",
        now=datetime.datetime.now(datetime.UTC),
    )
    console.print(f"report: {page}", highlight=False)
    return result, figures
