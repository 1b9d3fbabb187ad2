"""`blindspot models import`: an own detector becomes the first release of a fleet. Needs no running cloud."""

import re
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloud.class_register import ClassRegister
from cloud.cli.console import JsonOption, print_json, short
from cloud.cli.dry_run import changes_state
from cloud.cli.local.setup import ConfigOption, settings_of
from cloud.dry_runs import active, before_change
from messaging.errors import ConfigurationError
from messaging.runtime.console import notes
from messaging.runtime.text_files import read_bytes
from messaging.trust.manifest import MAX_BUNDLE_BYTES

if TYPE_CHECKING:
    from cloud.model_import.importing import ImportedModel
    from cloud.store.access_records import AuditEntry


@changes_state
def import_file(
    file: Annotated[
        Path,
        typer.Argument(help="ultralytics checkpoint (.pt), weights file (.safetensors) or bundle (.onnx)"),
    ],
    classes: Annotated[
        Path | None, typer.Option(help="YAML file with lines `NAME: CLASS`; `NAME: null` leaves a class out")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="PX", help="input size: 640 or 640x384; default: that of its training"
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="name in lists; default: that of the file")] = None,
    path: ConfigOption = None,
    data: Annotated[Path | None, typer.Option("--data", help="data folder")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Import the detector that a new fleet starts with, before the cloud runs for the first time.

    A dry run checks the options, that no fleet has begun, and that the file can be read. It does not load
    the model: whether its classes fit, and its output is that of its own framework, only the import finds.
    """
    from cloud.campaigns.process_lock import sole_process
    from cloud.data.class_names import read_class_map
    from cloud.data.datasets import DatasetRegister
    from cloud.detector.model_files import ModelFiles
    from cloud.fleet.first_model import refuse_begun_fleet
    from cloud.model_import.importing import ImportRequest, ModelImport
    from cloud.store.audit_store import AuditStore
    from cloud.store.database import open_database

    settings = settings_of(path, data)
    if settings.starting_weights is not None:
        raise ConfigurationError(
            f"the configuration names {settings.starting_weights} as starting_weights; remove that line to "
            "import a detector instead"
        )
    request = ImportRequest(
        file, _name(name or file.stem), read_class_map(classes) if classes else {}, _input_size(size)
    )
    refuse_begun_fleet(settings.folder.releases)
    if active():
        read_bytes(file, limit_bytes=MAX_BUNDLE_BYTES)
    before_change()
    with sole_process(settings.folder), closing(open_database(settings.store_url)) as database:
        kept = ModelFiles(settings.folder.models)
        work = ModelImport(
            ClassRegister(settings).taxonomy,
            DatasetRegister(settings.folder.datasets),
            kept,
            notes.print_line,
        )
        before, found = kept.first, work.run(request)
        kept.set_first(found.digest)
        AuditStore(database).add(_audit_entry(file, before, found))
    _print_imported(found, as_json)


def _audit_entry(file: Path, before: str | None, found: "ImportedModel") -> "AuditEntry":
    """The import in the audit log, by the same name as what is asked with the token of the data folder."""
    from cloud.access.principal import DATA_FOLDER
    from cloud.api.client import machine_user
    from cloud.store.access_records import AuditEntry

    principal = DATA_FOLDER.stated_by(name) if (name := machine_user()) else DATA_FOLDER
    return AuditEntry(
        at_utc=int(time.time()),
        user=principal.name,
        address="",
        action="models import",
        object=f"model {found.digest[:12]}",
        status=200,
        before=None if before is None else {"digest": before},
        after={"digest": found.digest, "name": found.bundle.description.name, "file": file.name},
    )


def _name(text: str) -> str:
    """A model's name: lower case, with _ for every other character, at most 40 of them."""
    return re.sub(r"[^a-z0-9_-]", "_", text.lower()).strip("_-")[:40] or "imported"


def _input_size(text: str | None) -> tuple[int, int] | None:
    """Width and height, pixels, of `640` or `640x384`. Raises `ConfigurationError`."""
    if text is None:
        return None
    parts = text.lower().split("x")
    sides = [int(part) for part in parts if re.fullmatch(r"[0-9]{1,5}", part)]
    if len(sides) != len(parts) or len(sides) > 2 or not all(s % 32 == 0 and 32 <= s <= 4096 for s in sides):
        raise ConfigurationError(
            f"--input {text!r} is no input size; give 640, or WIDTHxHEIGHT such as 640x384, in multiples "
            "of 32 from 32 to 4096"
        )
    return sides[0], sides[-1]


def _print_imported(found: "ImportedModel", as_json: bool) -> None:
    from cloud.data.faults import some

    description, parity = found.bundle.description, found.parity
    if as_json:
        shown: dict[str, object] = {"digest": found.digest, "left_out": list(found.left_out)}
        shown["parity"] = None if parity is None else asdict(parity)
        print_json(shown | {"description": description.model_dump(mode="json")})
        return
    if found.left_out:
        notes.print_line(f"left out, as no class of this deployment: {some(found.left_out)}")
    if parity is None:
        notes.print_line("detect-only: an ONNX file can serve, but campaigns cannot retrain it")
    else:
        notes.print_line(f"equal to ultralytics' predict: {parity}")
    thresholds = ", ".join(f"{name} from {value:g}" for name, value in description.thresholds.items())
    notes.print_line(
        f"{description.name} ({short(found.digest)}), {description.input_width} x "
        f"{description.input_height} pixels: {thresholds}"
    )
    notes.print_line("the next `blindspot cloud run` releases it as the first model of the fleet")
