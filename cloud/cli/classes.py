"""`blindspot classes`: the hazard classes of a deployment: check a file of them, list them, add some."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cloud.api.client import RemoteCloud
from cloud.class_register import ClassRegister
from cloud.cli.console import DEFAULT_DATA, DataOption, JsonOption, print_json, print_table
from cloud.cli.dry_run import changes_state
from cloud.cli.local.setup import ConfigOption, settings_of
from cloud.dry_runs import before_change
from messaging.errors import ConfigurationError
from messaging.hazard_classes import HazardClass, HazardPlace, LabelRule
from messaging.resources import AddedClasses, ClassesResource
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.console import notes
from messaging.runtime.quoting import yaml_string
from messaging.taxonomy import SHIPPED_CLASSES, read_taxonomy

classes = typer.Typer(
    help="Hazard classes: names, severity, words for prompts, places, rules.", no_args_is_help=True
)


@classes.command("list")
def list_classes(
    path: ConfigOption = None,
    data: Annotated[Path | None, typer.Option("--data", envvar="BLINDSPOT_DATA", help="data folder")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the classes of the configuration and those added since; needs no running cloud."""
    _print(ClassRegister(settings_of(path, data)).taxonomy.classes, as_json)


@classes.command("add")
@changes_state
def add(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="names, in the order of the outputs")],
    file: Annotated[Path | None, typer.Option(help="a classes file that describes them")] = None,
    words: Annotated[
        list[str] | None, typer.Option(help="without a file: what a caption calls it; repeatable")
    ] = None,
    severity: Annotated[int, typer.Option(help="without a file: 1 (nuisance) to 5 (danger to life)")] = 3,
    place: Annotated[HazardPlace, typer.Option(help="without a file: where it may be")] = HazardPlace.GROUND,
    label: Annotated[LabelRule, typer.Option(help="without a file: how it ends")] = LabelRule.RIGID,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Add classes to a running cloud; the next campaign gives the detector an output for each."""
    if file is not None:
        described = read_taxonomy(file)
        wanted = tuple(described.hazard(name) for name in names)
    else:
        fields = {"words": tuple(words or ()), "severity": severity, "place": place, "label": label}
        wanted = tuple(_described({"name": name, **fields}) for name in names)
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.send("POST", "classes", ClassesResource, AddedClasses(classes=wanted))
    if as_json:
        print_json(found)
        return
    total = len(found.classes)
    notes.print_line(
        f"added {', '.join(names)}; this deployment has {total} classes, the newest release detects "
        f"{len(found.detected)}; `blindspot campaign start --cold-start {names[0]}` trains it"
    )


@classes.command("check")
def check(file: Annotated[Path, typer.Argument(help="a classes file")], as_json: JsonOption = False) -> None:
    """Check a classes file: list its classes, or name the first mistake with its line."""
    _print(read_taxonomy(file).classes, as_json)


@classes.command("init")
@changes_state
def init(
    file: Annotated[Path, typer.Argument(help="file to write")] = Path("classes.yaml"),
) -> None:
    """Write a classes file to start from, the shipped one; an existing file is never changed."""
    if file.exists():
        raise ConfigurationError(f"{file} exists already and was not changed; name a new file")
    before_change()
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, SHIPPED_CLASSES.read_bytes())
    file.chmod(0o644)
    line = f"classes: {yaml_string(file.as_posix())}"
    notes.print_line(f"wrote {file}; put the line `{line}` into the cloud's configuration")


def _described(fields: dict[str, object]) -> HazardClass:
    """A class of the command line. Raises `ConfigurationError` naming the option."""
    try:
        return HazardClass.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise ConfigurationError(f"{name}: {message}" if name else message) from None


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
