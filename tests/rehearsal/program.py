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
from tests.rehearsal.city import build_city
from tests.rehearsal.containers import in_containers, missing_for_containers
from tests.rehearsal.deployment import on_this_machine
from tests.rehearsal.page import blocks
from tests.rehearsal.profiles import PROFILES, Profile
from tests.rehearsal.reader import Reader, RehearsalFailed
from tests.rehearsal.start_times import StartTimes
from tests.support.cameras.rtsp_camera import missing_packages

POLL_S = 2.0
LONGEST_MINUTES = 30.0
IMAGES = "images"


@dataclass(frozen=True)
class Rehearsal:
    """What came of it: the figures, and the newest campaign as the command line shows it."""

    figures: tuple[Figure, ...]
    campaign: dict[str, Any]


def rehearse(work: Path, profile: Profile, *, containers: bool = False) -> Rehearsal:
    """Follow the page in `work/deployment`. Raises `RehearsalFailed`."""
    began = time.monotonic()

    def log(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.0f} s  {text}\n")
        sys.stdout.flush()

    city, folder = work / "city", work / "deployment"
    folder.mkdir(parents=True)
    log("building the city's photographs, detector and footage")
    build_city(city, profile.city)
    with ExitStack() as ending:
        deployed = ending.enter_context(
            in_containers(city, folder, profile) if containers else on_this_machine(city, profile)
        )
        values = {
            "CITY": str(city),
            "DETECTOR": str(city / "detector.pt"),
            "CAMERA": deployed.camera,
            "COUNT": str(profile.count),
            **deployed.values,
        }
        reader = Reader(
            folder,
            {name: lambda _, value=value: value for name, value in values.items()}  # type: ignore[misc]
            | {"MODE": lambda reader: _chosen_mode(reader, profile, deployed.blindspot)},
            log,
            settings=deployed.settings,
        )
        ending.callback(reader.stop)
        times = ending.enter_context(StartTimes(reader, deployed.programs(reader)))
        reader.read(blocks(deployed.page))
        if times.missing:
            raise RehearsalFailed(f"{', '.join(times.missing)} did not become ready")
        closed = reader.ask(f"{deployed.blindspot} failures list --status closed")
        campaign = reader.ask(f"{deployed.blindspot} campaign list")[0]
        more = deployed.figures()
    images_s = sum(c.seconds or 0.0 for c in reader.commands if c.text.endswith(IMAGES))
    minutes = (time.monotonic() - began - images_s) / 60
    figures = (
        Figure("modes_closed", float(len(closed)), "failure modes", profile.target),
        Figure("demo_imports", float(_demo_imports(Path(__file__).parent)), "imports", "= 0"),
        Figure("commands_by_hand", float(len(reader.commands)), "commands"),
        Figure("minutes", minutes, "min", f"<= {LONGEST_MINUTES:g}"),
        *times.figures,
        *([Figure("minutes_of_images", images_s / 60, "min")] if containers else []),
        *more,
    )
    return Rehearsal(figures, campaign)


def _chosen_mode(reader: Reader, profile: Profile, blindspot: str) -> str:
    """The most harmful mode of missed objects that the bundled generator paints well, once it has tracks."""
    deadline = time.monotonic() + profile.observe_s
    while time.monotonic() < deadline:
        reader.check()
        for mode in reader.ask(f"{blindspot} failures list"):
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
    parser.add_argument("--containers", action="store_true", help="follow docs/deploy-in-containers.md")
    parser.add_argument("--work", type=Path, help="an empty folder to keep (default: a temporary one)")
    parser.add_argument("--out", type=Path, help="default: out/figures/rehearsal[_containers].json")
    given = parser.parse_args(arguments)
    missing = missing_packages() or (missing_for_containers() if given.containers else None)
    if missing is not None:
        sys.stdout.write(f"{missing}\n")
        return 2
    with TemporaryDirectory() as temporary:
        try:
            done = rehearse(
                given.work or Path(temporary), PROFILES[given.profile], containers=given.containers
            )
        except RehearsalFailed as failed:
            sys.stdout.write(f"{failed}\n")
            return 1
    options = (" --containers" if given.containers else "") + f" --profile {given.profile}"
    out = given.out or Path(f"out/figures/rehearsal{'_containers' if given.containers else ''}.json")
    now = datetime.datetime.now(datetime.UTC)
    write_figures(out, done.figures, command=f"python -m tests.rehearsal{options}", now=now)
    for figure in done.figures:
        sys.stdout.write(f"{figure.name}: {figure.value_text}, target {figure.target}: {figure.holds}\n")
    return 0 if all(figure.holds is not False for figure in done.figures) else 1
