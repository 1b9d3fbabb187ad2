"""`blindspot demo` and `blindspot demo-real`: their options, the table at the end, the exit code."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cloud.demo.result import DemoResult, figures_of
from messaging.figures import Figure

Out = Annotated[Path, typer.Option("--out", help="Where report and working files go; emptied first.")]
Rounds = Annotated[
    int, typer.Option("--rounds", min=1, help="Rounds of the loop in a row; of several, each takes longer.")
]
Source = Annotated[str | None, typer.Option("--source", help="Your own footage: FILE, FOLDER or RTSP.")]
Data = Annotated[Path, typer.Option("--data", help="Folder with hazards/ and clips/.")]
Weights = Annotated[Path, typer.Option("--weights", help="Folder with the COCO weights.")]
Detectors = Annotated[Path, typer.Option("--detectors", help="Where trained detectors are kept.")]
Tiny = Annotated[bool, typer.Option("--tiny", help="Turn every wheel once, on next to nothing.")]
Photographs = Annotated[
    Path | None,
    typer.Option(
        "--empty-photographs",
        exists=True,
        file_okay=False,
        help="Photographs without any hazard, to count false alarms on; drawn streets if left out.",
    ),
]


def demo(
    out: Out = Path("out/demo"),
    rounds: Rounds = 1,
    source: Source = None,
    tiny: Tiny = False,
    empty_photographs: Photographs = None,
) -> None:
    """Watch a blind spot being found and closed on this machine: no camera, no GPU, no network."""
    from cloud.demo.players import OwnPlayer
    from cloud.demo.run import run_demo
    from cloud.demo.script import FULL, ROUNDS, TINY

    own, console = None if source is None else OwnPlayer(source), Console()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    profile = TINY if tiny else ROUNDS if rounds > 1 else FULL
    result = run_demo(out, profile, console, rounds=rounds, own=own, empty_photographs=empty_photographs)
    show(result, figures_of(result), console)


def demo_real(
    data: Data,
    weights: Weights,
    out: Out = Path("out/demo-real"),
    detectors: Detectors = Path("out/demo-real-detectors"),
    tiny: Tiny = False,
) -> None:
    """The same loop on real photographs: potholes far away on highways that no training has seen."""
    from cloud.demo.real import RealInput
    from cloud.demo.real_run import run_real

    given, console = RealInput(data, weights, detectors), Console()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    show(*run_real(out, given, console, tiny=tiny), console)


def show(result: DemoResult, figures: Sequence[Figure], console: Console) -> None:
    """The final table, and every figure against its target."""
    table = Table("class", "condition", "aimed at", "recall", "precision", "boxes", title="Before → after")
    for row in result.rows:
        table.add_row(
            row.class_name,
            row.condition,
            "yes" if row.target else "",
            f"{_share(row.before.recall)} → {_share(row.after.recall)}",
            f"{_share(row.before.precision)} → {_share(row.after.precision)}",
            str(row.after.truth),
        )
    console.print(table)
    told = Table("figure", "value", "target", "holds", title="Figures")
    for figure in figures:
        value = "not measured" if figure.value is None else f"{figure.value:.4g} {figure.unit}"
        holds = "" if figure.holds is None else "yes" if figure.holds else "no"
        told.add_row(figure.name, value, figure.target or "", holds)
    console.print(told)
    for note in result.notes:
        console.print(note, highlight=False)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
