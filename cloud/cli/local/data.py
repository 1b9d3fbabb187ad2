"""`blindspot data`: labelled images that operators add: check, add, list, remove. Needs no running cloud."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloud.class_register import ClassRegister
from cloud.cli.console import JsonOption, print_json, print_table, short
from cloud.cli.dry_run import changes_state
from cloud.cli.local.setup import ConfigOption, settings_of
from cloud.dry_runs import before_change
from cloud.errors import DataRefused
from cloud.settings import CloudSettings, DataFolder
from messaging.plurals import quantity
from messaging.runtime.console import notes, out
from messaging.runtime.program import ExitCode

if TYPE_CHECKING:
    from cloud.data.datasets import Dataset, DatasetRegister
    from cloud.data.description import DatasetDescription
    from cloud.data.listing import ReadingOptions
    from cloud.data.roles import DataRole

STILL_S = 1.0
data_app = typer.Typer(help="Labelled images for training, evaluation and backgrounds.", no_args_is_help=True)
_ROLES = "base, replay, calibration, holdout or background"

StoreOption = Annotated[
    Path | None, typer.Option("--data", envvar="BLINDSPOT_DATA", help="data folder of the cloud")
]
FolderArgument = Annotated[
    Path,
    typer.Argument(
        help="folder or ZIP file: YOLO (images/, labels/, classes.json, index.csv), data.yaml, or COCO; "
        "also the data.yaml or the COCO file itself; for backgrounds, images alone"
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", help="NAME=CLASS: what a class of the data is called here; or a YAML file of such"),
]
DropOption = Annotated[
    list[str] | None, typer.Option("--drop", help="a class of the data whose boxes are left out")
]
SplitOption = Annotated[
    str | None, typer.Option("--split", help="which split to read: train, val, test; or all")
]
SegmentsOption = Annotated[
    bool, typer.Option("--segments-as-boxes", help="read polygons of label files as their bounding boxes")
]


@data_app.command("add")
@changes_state
def add(
    folder: FolderArgument,
    role: Annotated[str, typer.Option(help=_ROLES)],
    name: Annotated[str | None, typer.Option(help="name in lists; default: that of the folder")] = None,
    licence: Annotated[
        str, typer.Option(help="as its source states it, for the cards of models trained on it")
    ] = "",
    maps: MapOption = None,
    drop: DropOption = None,
    split: SplitOption = None,
    segments_as_boxes: SegmentsOption = False,
    path: ConfigOption = None,
    data: StoreOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Add images with one role; they are copied and never changed. Refused if there is any fault."""
    from cloud.data.faults import refuse
    from cloud.data.roles import role_of

    settings = settings_of(path, data)
    wanted = role_of(role)
    options = _options(settings, wanted, maps, drop, split=split, segments_as_boxes=segments_as_boxes)
    register = _register(settings)
    described = register.check(folder, options)
    refuse(described.origin, described.faults)
    before_change()
    dataset = register.store(described, wanted, name, licence=licence)
    for note in described.notes:
        notes.print_line(f"note: {note}")
    if as_json:
        print_json(_row(dataset) | {"notes": list(described.notes)})
        return
    content = f"{dataset.images} images, {dataset.boxes} boxes in role {dataset.role}"
    notes.print_line(f"{content}, read as {dataset.layout}: {dataset.digest}")


@data_app.command("check")
def check(
    folder: FolderArgument,
    role: Annotated[str | None, typer.Option(help=f"check what this role needs, too: {_ROLES}")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="write a PNG of twenty images with their boxes; a new file")
    ] = None,
    maps: MapOption = None,
    drop: DropOption = None,
    split: SplitOption = None,
    segments_as_boxes: SegmentsOption = False,
    path: ConfigOption = None,
    data: StoreOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Read images as `data add` does and list all faults; changes nothing. Exit code 3 if there is any."""
    from cloud.data.roles import role_of

    settings = settings_of(path, data)
    if sheet is not None:
        _refuse_sheet(sheet, folder)
    wanted = role_of(role) if role else None
    options = _options(settings, wanted, maps, drop, split=split, segments_as_boxes=segments_as_boxes)
    described = _register(settings).check(folder, options)
    if sheet is not None:
        _write_sheet(described, sheet)
    if as_json:
        print_json(_summary(described))
    else:
        _print_description(described)
    if described.faults:
        raise typer.Exit(ExitCode.UNHEALTHY)


@data_app.command("list")
def list_data(path: ConfigOption = None, data: StoreOption = None, as_json: JsonOption = False) -> None:
    """List datasets by role."""
    found = _register(settings_of(path, data)).all()
    if as_json:
        print_json({"datasets": [_row(dataset) for dataset in found]})
        return
    columns = (
        *("role", "name", "images", "no hazard", "boxes", "classes", "conditions", "scenes"),
        *("licence", "digest"),
    )
    rows = [
        (d.role, d.name, d.images, d.empty_images, d.boxes, d.classes, d.conditions, len(d.scenes),
         d.licence, short(d.digest))
        for d in found
    ]  # fmt: skip
    empty = "No data yet; add some with `blindspot data add FOLDER --role ROLE`."
    print_table("Datasets", columns, rows, empty)


@data_app.command("remove")
@changes_state
def remove(
    key: Annotated[str, typer.Argument(metavar="NAME_OR_DIGEST", help="as `blindspot data list` shows it")],
    path: ConfigOption = None,
    data: StoreOption = None,
) -> None:
    """Remove a dataset from the store; the folder that it was added from is not touched."""
    settings = settings_of(path, data)
    register = _register(settings)
    dataset = register.find(key)
    _refuse_while_used(settings)
    before_change()
    removed = register.remove(dataset)
    what = f"removed {dataset.name} ({dataset.digest[:12]}, role {dataset.role})"
    out.print_line(f"{what}: {removed.files} files, {dataset.images} images, from {dataset.folder}")
    if removed.left:
        left = ", ".join(removed.left[:5])
        notes.print_line(
            f"left {len(removed.left)} files that the store did not write or that changed: {left}"
        )


def _register(settings: CloudSettings) -> "DatasetRegister":
    from cloud.data.datasets import DatasetRegister

    return DatasetRegister(DataFolder(settings.data).datasets)


def _options(
    settings: CloudSettings,
    role: "DataRole | None",
    maps: Sequence[str] | None,
    drop: Sequence[str] | None,
    *,
    split: str | None,
    segments_as_boxes: bool,
) -> "ReadingOptions":
    from cloud.data.class_names import parse_class_map
    from cloud.data.listing import ReadingOptions

    classes = ClassRegister(settings)
    return ReadingOptions(
        role=role,
        classes=classes.taxonomy.names,
        trained_classes=_trained_classes(settings, classes.added),
        class_map=parse_class_map(maps or (), drop or ()),
        split=split,
        segments_as_boxes=segments_as_boxes,
        still_s=STILL_S,
    )


def _trained_classes(settings: CloudSettings, added: tuple[str, ...]) -> tuple[str, ...] | None:
    """The classes of the fleet's first model, which every later one has too, and those that campaigns add.

    None where no detector is installed, and for own classes as long as no detector for them is imported.
    """
    from cloud.detector.model_files import ModelFiles
    from cloud.fleet.first_model import first_classes
    from cloud.starting_detector import STARTING_WEIGHTS, shipped
    from messaging.taxonomy import DEFAULT_TAXONOMY

    own = set(settings.taxonomy.names) - set(DEFAULT_TAXONOMY.names)
    usual = None if own else shipped(STARTING_WEIGHTS)
    first = first_classes(settings.starting_weights or usual, ModelFiles(settings.folder.models))
    return None if first is None else (*first, *added)


def _refuse_sheet(sheet: Path, folder: Path) -> None:
    """A sheet is a new file outside the dataset, so that checking changes nothing."""
    if sheet.exists():
        raise DataRefused(f"{sheet} exists already; name a new file for the contact sheet")
    if folder.is_dir() and sheet.resolve().is_relative_to(folder.resolve()):
        raise DataRefused(f"{sheet} is inside the folder to check, which is not changed; name another place")


def _write_sheet(described: "DatasetDescription", sheet: Path) -> None:
    from cloud.data.contact_sheet import contact_sheet
    from messaging.runtime.atomic_files import write_atomically

    image = None if described.tree is None else contact_sheet(described)
    if image is None:
        notes.print_line(f"no image can be shown; {sheet} is not written")
        return
    write_atomically(sheet, image)
    notes.print_line(f"contact sheet: {sheet}")


def _refuse_while_used(settings: CloudSettings) -> None:
    """Raise `DataRefused` while a campaign is queued or running: it may read every dataset."""
    from cloud.store.campaign_store import CampaignStore
    from cloud.store.database import open_database
    from cloud.store.records import ACTIVE_STATES

    if settings.store.url is None and not settings.folder.store.exists():
        return
    database = open_database(settings.store_url)
    try:
        active = CampaignStore(database).recent(states=ACTIVE_STATES, limit=1)
    finally:
        database.close()
    if active:
        raise DataRefused(
            f"campaign {active[0].id} is {active[0].state} and may read this dataset; wait until it ends, or "
            f"cancel it with `blindspot campaign cancel {active[0].id}`"
        )


def _row(dataset: "Dataset") -> dict[str, object]:
    values = asdict(dataset)
    del values["files"]
    return values


def _sizes(described: "DatasetDescription") -> list[tuple[int, int]]:
    """The smallest and the largest image, pixels."""
    sizes = sorted(
        {(one.width, one.height) for one in described.images if one.width}, key=lambda s: s[0] * s[1]
    )
    return [sizes[0], sizes[-1]] if sizes else []


def _summary(described: "DatasetDescription") -> dict[str, object]:
    classes: dict[str, dict[str, int]] = {}
    for (name, condition), count in sorted(described.boxes.items()):
        classes.setdefault(name, {})[condition] = count
    return {
        "source": described.origin,
        "layout": described.layout,
        "images": len(described.images),
        "images_without_hazard": sum(not one.boxes for one in described.images),
        "images_by_condition": described.conditions,
        "boxes": sum(described.boxes.values()),
        "boxes_by_class_and_condition": classes,
        "class_names": list(described.class_names),
        "scenes": list(described.scenes),
        "smallest_and_largest_px": _sizes(described),
        "notes": list(described.notes),
        "faults": [asdict(fault) for fault in described.faults],
    }


def _print_description(described: "DatasetDescription") -> None:
    empty = sum(not one.boxes for one in described.images)
    out.print_line(f"{described.origin}: {described.layout}")
    sizes = " to ".join(f"{width} x {height}" for width, height in _sizes(described))
    out.print_line(
        f"{len(described.images)} images ({empty} without hazard), {sum(described.boxes.values())} boxes, "
        f"{len(described.scenes)} scenes{f', {sizes} pixels' if sizes else ''}"
    )
    counts, conditions = described.boxes, sorted(described.conditions)
    rows: list[list[object]] = [
        [name, *(counts[name, condition] for condition in conditions)]
        for name in sorted({*described.class_names, *(name for name, _ in counts)})
    ]
    rows.append(["images", *(described.conditions[condition] for condition in conditions)])
    if described.images:
        print_table("Boxes by class and condition", ("class", *conditions), rows, "")
    for note in described.notes:
        out.print_line(f"note: {note}")
    for fault in described.faults:
        out.print_line(("fault: ", "red"), str(fault))
    count = len(described.faults)
    out.print_line("no faults" if not count else quantity(count, "fault"))
