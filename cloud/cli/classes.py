"""`blindspot classes`: the hazard classes of a deployment, from a YAML file. Needs no running cloud."""

from pathlib import Path
from typing import Annotated

import typer

from cloud.cli.console import JsonOption, print_json, print_table
from cloud.cli.setup import ConfigOption, settings_of
from messaging.errors import ConfigurationError
from messaging.hazard_classes import HazardClass
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.console import notes
from messaging.runtime.quoting import yaml_string
from messaging.taxonomy import SHIPPED_CLASSES, read_taxonomy

classes = typer.Typer(
    help="Hazard classes: names, severity, words for prompts, places, rules.", no_args_is_help=True
)


@classes.command("list")
def list_classes(path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the classes of the configuration, in the order of the detector's outputs."""
    _print(settings_of(path, None).taxonomy.classes, as_json)


@classes.command("check")
def check(file: Annotated[Path, typer.Argument(help="a classes file")], as_json: JsonOption = False) -> None:
    """Check a classes file: list its classes, or name the first mistake with its line."""
    _print(read_taxonomy(file).classes, as_json)


@classes.command("init")
def init(
    file: Annotated[Path, typer.Argument(help="file to write")] = Path("classes.yaml"),
) -> None:
    """Write a classes file to start from, the shipped one; an existing file is never changed."""
    if file.exists():
        raise ConfigurationError(f"{file} exists already and was not changed; name a new file")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, SHIPPED_CLASSES.read_bytes())
    file.chmod(0o644)
    line = f"classes: {yaml_string(file.as_posix())}"
    notes.print_line(f"wrote {file}; put the line `{line}` into the cloud's configuration")


def _print(found: tuple[HazardClass, ...], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    columns = ("class", "severity", "label", "place", "words", "persistence", "cool-down", "zones")
    rows = [
        (c.name, c.severity, c.label, c.place, c.words, f"{c.rule.persistence_s:g} s",
         f"{c.rule.cool_down_s:g} s", c.rule.zones or "all")
        for c in found
    ]  # fmt: skip
    print_table("Hazard classes", columns, rows, "")
