"""`python -m tests.rehearsal`: builds a city, starts its camera, follows the page, writes the figures."""

import argparse
import ast
import datetime
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from messaging.figures import Figure, write_figures
from messaging.nats.broker import free_port
from tests.rehearsal.city import FPS, CitySize, build_city
from tests.rehearsal.page import blocks
from tests.rehearsal.reader import Reader, RehearsalFailed
from tests.rehearsal.start_times import StartTimes
from tests.support.cameras.rtsp_camera import RtspCamera, missing_packages

PAGE = Path(__file__).parents[2] / "docs" / "deploy-a-site.md"
POLL_S = 2.0
LONGEST_MINUTES = 30.0


@dataclass(frozen=True)
class Profile:
    """How much of everything.

    Attributes:
        city: numbers of images and frames.
        count: generated images of the campaign.
        tracks: those that a failure mode needs before it is chosen.
        classes: those that the bundled generator draws well enough for so few images.
        observe_s: how long a failure mode may take to appear.
        target: of `modes_closed`; None where too little is generated and trained to close one.
        settings: environments that configure programs, by words of their commands.
    """

    name: str
    city: CitySize
    count: int
    tracks: int
    classes: tuple[str, ...]
    observe_s: float
    target: str | None
    settings: dict[str, dict[str, str]]


FULL = Profile(
    "full",
    CitySize(base=320, replay=320, calibration=720, holdout=720, frames=1000),
    count=60,
    tracks=30,
    classes=("garbage", "fallen_person"),
    observe_s=600.0,
    target=">= 1",
    settings={},
)
TINY = Profile(
    "tiny",
    CitySize(base=88, replay=8, calibration=12, holdout=10, frames=100),
    count=4,
    tracks=1,
    classes=("garbage",),
    observe_s=300.0,
    target=None,
    settings={
        "blindspot cloud run": {
            "BLINDSPOT__SYNTHESIS__BUDGET_FACTOR": "12",
            "BLINDSPOT__TRAINING__EPOCHS": "1",
            "BLINDSPOT__TRAINING__STREETS": "4",
            "BLINDSPOT__PROMOTION__RECALL_DROP": "1.0",
            "BLINDSPOT__PROMOTION__PRECISION_DROP": "1.0",
            "BLINDSPOT__PROMOTION__CONDITION_DROP": "1.0",
            "BLINDSPOT__PROMOTION__ENOUGH_TRACKS": "1",
            "BLINDSPOT__PROMOTION__LATENCY_RATIO": "100.0",
            "BLINDSPOT__PROMOTION__FALSE_ALARM_RATIO": "100.0",
            "BLINDSPOT__PROMOTION__SIGNIFICANCE": "false",
            "BLINDSPOT__CAMPAIGN__VERIFY_DEADLINE_S": "30",
        },
        "blindspot-edge node": {
            "BLINDSPOT__REPORTS__EVIDENCE_S": "2",
            "BLINDSPOT__REPORTS__HEARTBEAT_S": "2",
            "BLINDSPOT__REPORTS__TALLY_S": "5",
            "BLINDSPOT__REPORTS__SHADOW_S": "5",
            "BLINDSPOT__UPDATES__TRIAL_S": "10",
            "BLINDSPOT__UPDATES__LATENCY_FACTOR": "20",
            "BLINDSPOT__UPDATES__GUARD__FOR_S": "0",
        },
    },
)
PROFILES = {profile.name: profile for profile in (FULL, TINY)}


@dataclass(frozen=True)
class Rehearsal:
    """What came of it: the figures, and the newest campaign as the command line shows it."""

    figures: tuple[Figure, ...]
    campaign: dict[str, Any]


def rehearse(work: Path, profile: Profile, page: Path = PAGE) -> Rehearsal:
    """Follow the page in `work/deployment`. Raises `RehearsalFailed`."""
    began = time.monotonic()

    def log(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.0f} s  {text}\n")
        sys.stdout.flush()

    city, folder = work / "city", work / "deployment"
    folder.mkdir(parents=True)
    log("building the city's photographs, detector and footage")
    build_city(city, profile.city)
    camera = RtspCamera(free_port(), "--frames", str(city / "frames"), "--fps", str(FPS))
    reader = Reader(
        folder,
        {
            "CITY": lambda _: str(city),
            "DETECTOR": lambda _: str(city / "detector.pt"),
            "CAMERA": lambda _: camera.address,
            "MODE": lambda reader: _chosen_mode(reader, profile),
            "COUNT": lambda _: str(profile.count),
        },
        log,
        settings=profile.settings,
    )
    with ExitStack() as ending:
        camera.start()
        ending.callback(camera.stop)
        ending.callback(reader.stop)
        times = ending.enter_context(StartTimes(reader))
        reader.read(blocks(page))
        if times.missing:
            raise RehearsalFailed(f"{', '.join(times.missing)} did not become ready")
        closed = reader.ask("blindspot failures list --status closed")
        campaign = reader.ask("blindspot campaign list")[0]
    minutes = (time.monotonic() - began) / 60
    figures = (
        Figure("modes_closed", float(len(closed)), "failure modes", profile.target),
        Figure("demo_imports", float(_demo_imports(Path(__file__).parent)), "imports", "= 0"),
        Figure("commands_by_hand", float(reader.commands), "commands"),
        Figure("minutes", minutes, "min", f"<= {LONGEST_MINUTES:g}"),
        *times.figures,
    )
    return Rehearsal(figures, campaign)


def _chosen_mode(reader: Reader, profile: Profile) -> str:
    """The most harmful mode of missed objects that the bundled generator paints well, once it has tracks."""
    deadline = time.monotonic() + profile.observe_s
    while time.monotonic() < deadline:
        reader.check()
        for mode in reader.ask("blindspot failures list"):
            enough = mode["recall"]["supported"] >= profile.tracks
            if mode["kind"] == "missed" and mode["class_name"] in profile.classes and enough:
                return str(mode["id"])
        time.sleep(POLL_S)
    raise RehearsalFailed(f"no failure mode with {profile.tracks} tracks after {profile.observe_s:g} s")


def _demo_imports(folder: Path) -> int:
    """Imports of `cloud.demo` in the modules of this package."""
    imported = [
        name
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    return sum(name.startswith("cloud.demo") for name in imported)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; exit code 1 when a figure does not hold or a command failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="full")
    parser.add_argument("--work", type=Path, help="an empty folder to keep (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=Path("out/figures/rehearsal.json"))
    given = parser.parse_args(arguments)
    if (missing := missing_packages()) is not None:
        sys.stdout.write(f"{missing}\n")
        return 2
    with TemporaryDirectory() as temporary:
        try:
            done = rehearse(given.work or Path(temporary), PROFILES[given.profile])
        except RehearsalFailed as failed:
            sys.stdout.write(f"{failed}\n")
            return 1
    now = datetime.datetime.now(datetime.UTC)
    write_figures(given.out, done.figures, command="make rehearsal", now=now)
    for figure in done.figures:
        sys.stdout.write(f"{figure.name}: {figure.value_text}, target {figure.target}: {figure.holds}\n")
    return 0 if all(figure.holds is not False for figure in done.figures) else 1
