"""`blindspot demo` and `blindspot demo-real`: options, and the exit code by way of errors."""

from pathlib import Path
from typing import Annotated

import typer

from cloud.demo.result import figures_of
from cloud.demo.script import DEFAULT_MINUTES
from cloud.demo.tables import show
from cloud.errors import DataRefused
from messaging.runtime.console import PlainConsole
from messaging.runtime.output_folders import claim_output_folder

_MAKES = ("work", "report.json", "report.html")

Out = Annotated[
    Path,
    typer.Option("--out", help="folder for the report and working files; an earlier run in it is replaced"),
]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="rounds of the loop, one after the other")]
Source = Annotated[str | None, typer.Option("--source", help="your own footage: FILE, FOLDER or RTSP URL")]
Data = Annotated[Path, typer.Option("--data", help="folder with hazards/ and clips/")]
Weights = Annotated[Path, typer.Option("--weights", help="folder with the COCO weights")]
Detectors = Annotated[
    Path, typer.Option("--detectors", help="folder for trained detectors, which are reused")
]
Minutes = Annotated[
    float,
    typer.Option(
        "--minutes",
        min=1.0,
        help="as much as fits this time on this machine; without effect with --tiny, --rounds and --source",
    ),
]
Tiny = Annotated[bool, typer.Option("--tiny", help="smoke test: every stage once, with very few images")]
Photographs = Annotated[
    Path | None,
    typer.Option(
        "--empty-photographs",
        exists=True,
        file_okay=False,
        help="photographs without hazards, for counting false alarms; default: drawn streets",
    ),
]


Clips = Annotated[
    Path | None,
    typer.Option(
        "--clips",
        exists=True,
        file_okay=False,
        help="folder of real video files, which a third site plays; not with --source",
    ),
]


def demo(
    out: Out = Path("out/demo"),
    rounds: Rounds = 1,
    source: Source = None,
    tiny: Tiny = False,
    empty_photographs: Photographs = None,
    clips: Clips = None,
    minutes: Minutes = DEFAULT_MINUTES,
) -> None:
    """Find and close a blind spot on drawn streets; needs no camera, GPU or network."""
    from cloud.demo.clips import find_clips
    from cloud.demo.players import OwnPlayer
    from cloud.demo.run import run_demo
    from cloud.demo.script import FULL, ROUNDS, TINY

    inputs = [Path(source)] if source is not None else []
    inputs += [folder for folder in (empty_photographs, clips) if folder is not None]
    if clips is not None and source is not None:
        raise DataRefused("--clips adds a third site to the drawn cameras; leave it out with --source")
    played = () if clips is None else find_clips(clips)
    own, console = None if source is None else OwnPlayer(source), PlainConsole()
    held = claim_output_folder(out, "blindspot demo", makes=_MAKES, inputs=inputs)
    profile = TINY if tiny else ROUNDS if rounds > 1 else FULL
    result = run_demo(
        out,
        profile,
        console,
        rounds=rounds,
        own=own,
        empty_photographs=empty_photographs,
        minutes=minutes if profile is FULL and own is None else None,
        clips=played,
    )
    show(result, figures_of(result), console)
    held.release()


def demo_real(
    data: Data,
    weights: Weights,
    out: Out = Path("out/demo-real"),
    detectors: Detectors = Path("out/demo-real-detectors"),
    tiny: Tiny = False,
) -> None:
    """Find and close a blind spot on real photographs: small potholes on unseen highways."""
    from cloud.demo.photographs.run import run_real
    from cloud.demo.photographs.scenario import RealInput

    given, console = RealInput(data, weights, detectors), PlainConsole()
    held = claim_output_folder(out, "blindspot demo-real", makes=_MAKES, inputs=[data, weights, detectors])
    show(*run_real(out, given, console, tiny=tiny), console)
    held.release()
