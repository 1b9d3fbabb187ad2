"""`blindspot demo` and `blindspot demo-real`: their options, the tables at the end, the exit code."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cloud.demo.result import DemoResult, Row, SiteBytes, figures_of
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
    from cloud.demo.photographs.run import run_real
    from cloud.demo.photographs.scenario import RealInput

    given, console = RealInput(data, weights, detectors), Console()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    show(*run_real(out, given, console, tiny=tiny), console)


def show(result: DemoResult, figures: Sequence[Figure], console: Console) -> None:
    """What came out, as tables and lines; every figure against its target."""
    console.print(_before_after(result.rows))
    if any(row.estimated_recall is not None for row in result.rows):
        console.print(_estimates(result.rows))
    if result.sites:
        console.print(_left(result.sites))
    console.print(_figures(figures))
    for line in (f"Synthetic images: {result.images.summary}.", _stages(result.stages_s), *result.notes):
        console.print(line, highlight=False, markup=False)


def _before_after(rows: Sequence[Row]) -> Table:
    table = Table("class", "condition", "aimed at", "recall", "precision", "boxes", title="Before → after")
    for row in rows:
        table.add_row(
            row.class_name,
            row.condition,
            "yes" if row.target else "",
            f"{_share(row.before.recall)} → {_share(row.after.recall)}",
            f"{_share(row.before.precision)} → {_share(row.after.precision)}",
            str(row.after.truth),
        )
    return table


def _estimates(rows: Sequence[Row]) -> Table:
    """The edge's estimates, each of so many tracks, beside the truth."""
    table = Table("class", "condition", "estimated", "of tracks", "true", title="Recall of tracks")
    for row in rows:
        if row.estimated_recall is not None:
            table.add_row(
                row.class_name,
                row.condition,
                _share(row.estimated_recall),
                str(row.supported_tracks),
                _share(row.true_track_recall),
            )
    return table


def _left(sites: Sequence[SiteBytes]) -> Table:
    """Messages and bytes by type, and all of a site's against its compressed footage."""
    table = Table("site", "message type", "messages", "bytes", title="What left each site")
    for site in sites:
        for kind, count in sorted(site.by_kind.items()):
            table.add_row(site.site, kind, str(site.messages.get(kind, 0)), str(count))
        table.add_row(site.site, "all", str(sum(site.messages.values())), site.against_footage)
        table.add_section()
    return table


def _figures(figures: Sequence[Figure]) -> Table:
    table = Table("figure", "value", "target", "holds", title="Figures")
    for figure in figures:
        holds = "" if figure.holds is None else "yes" if figure.holds else "no"
        table.add_row(figure.name, figure.value_text, figure.target or "", holds)
    return table


def _stages(stages_s: Mapping[str, float]) -> str:
    times = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in stages_s.items())
    return f"Time of each stage: {times or 'none was reached'}."


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
