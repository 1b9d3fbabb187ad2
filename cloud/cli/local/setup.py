"""`blindspot init|doctor|cloud|config|db`: setting up and running the cloud on this machine."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from cloud.api.client import RemoteCloud
from cloud.cli.console import DEFAULT_DATA, DataOption, JsonOption, print_json
from cloud.cli.dry_run import changes_state
from cloud.dry_runs import before_change
from cloud.settings import CloudSettings
from messaging.api.configuration import ConfigurationResource
from messaging.errors import ConfigurationError
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.configuration_files import load_settings, parse_settings
from messaging.runtime.console import notes, out
from messaging.runtime.program import ExitCode, freeze_garbage_collection, when_there_is_room
from messaging.runtime.quoting import yaml_string
from messaging.runtime.start_checks import CheckResult
from messaging.runtime.stopping import async_stop_on_signals

if TYPE_CHECKING:
    from cloud.store.database import Database

cloud_app = typer.Typer(help="Run the cloud: hub, intake, campaigns, API.", no_args_is_help=True)
config = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)
db = typer.Typer(help="The cloud's database.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="YAML file; without one the defaults are used")
]
SpeedOption = Annotated[
    bool, typer.Option("--speed/--no-speed", help="measure this machine, in at most 30 seconds")
]
_CONFIG_NAME = "cloud.yaml"
_TEMPLATE = """# Blindspot cloud; `blindspot config schema` lists every key.
data: {data}
api:
  port: 8750
failure_modes:
  target_recall: 0.5
"""
_REACHABLE = """hub:
  host: 0.0.0.0
  port: 4222
  advertised_host: {host}
tls:
  names: [{names}]
"""


def settings_of(path: Path | None, data: Path | None) -> CloudSettings:
    """Settings of a file, or the defaults, overridden by the environment and by `--data`."""
    if path is None:
        settings = parse_settings(CloudSettings, "{}", origin="defaults", environment=os.environ)
    else:
        settings = load_settings(CloudSettings, path)
    return settings if data is None else settings.model_copy(update={"data": data})


@changes_state
def init(
    folder: Annotated[Path, typer.Argument(help="folder for the configuration file")] = Path(),
    host: Annotated[
        list[str] | None,
        typer.Option("--host", help="a name or address under which sites on other machines reach this one"),
    ] = None,
) -> None:
    """Write a configuration file to start from; an existing one is never changed."""
    from cloud.server_certificate import certificate_authority

    path = folder / _CONFIG_NAME
    if path.exists():
        notes.print(f"{path} exists already; nothing was written")
        raise typer.Exit(ExitCode.FAILED)
    template = _TEMPLATE.format(data=yaml_string((folder / "blindspot-data").as_posix()))
    if host:
        quoted = [yaml_string(name) for name in host]
        template += _REACHABLE.format(host=quoted[0], names=", ".join(quoted[1:]))
    settings = parse_settings(CloudSettings, template, origin="--host", environment={})
    before_change()
    folder.mkdir(parents=True, exist_ok=True)
    if host:
        certificate_authority(settings).make()
    write_atomically(path, template.encode())
    path.chmod(0o644)
    notes.print(f"wrote {path}; start the cloud with `blindspot cloud run --config {path}`")


def doctor(
    path: ConfigOption = None,
    data: Annotated[Path | None, typer.Option("--data", envvar="BLINDSPOT_DATA", help="data folder")] = None,
    speed: SpeedOption = True,
    as_json: JsonOption = False,
) -> None:
    """Open everything that the configuration names, then measure this machine; exit code 3 at a fault."""
    from cloud.doctor import examine

    try:
        results = examine(settings_of(path, data), speed=speed)
    except ConfigurationError as error:
        results = [CheckResult("configuration", False, str(error))]
    if as_json:
        print_json({one.name: one.as_values() for one in results})
    else:
        for one in results:
            out.print_line(one.mark, f"  {one.name}: {one.detail}")
    if not all(one.ok for one in results):
        raise typer.Exit(ExitCode.UNHEALTHY)


@cloud_app.command("run")
def run(
    path: ConfigOption = None,
    data: Annotated[Path | None, typer.Option("--data", help="data folder")] = None,
    page: Annotated[
        bool | None,
        typer.Option("--page/--no-page", help="the dashboard too, as it is by default where it is installed"),
    ] = None,
) -> None:
    """Run the cloud until Ctrl-C: hub, intake, failure modes, campaigns, API and dashboard."""
    from cloud.app import run_cloud
    from cloud.page_program import PageProgram, page_of

    settings = settings_of(path, data)
    wanted = page_of(settings, page)

    async def whole() -> None:
        stop, answering = async_stop_on_signals(), asyncio.Event()

        def started(url: str) -> None:
            notes.print_line(f"the API is at {url}; data in {settings.data}")
            freeze_garbage_collection()
            answering.set()

        beside = None
        if wanted is not None:
            program = PageProgram(settings.data, wanted, _announce_page)
            beside = asyncio.create_task(program.run(answering, stop))
        try:
            await run_cloud(settings, stop, started=started)
        finally:
            stop.set()
            if beside is not None:
                await beside

    when_there_is_room(lambda: asyncio.run(whole()))


def _announce_page(link: str) -> None:
    notes.print_line(f"the dashboard is at {link}")


def backup(
    target: Annotated[Path, typer.Argument(help="the file to write, or a folder")],
    path: ConfigOption = None,
    data: Annotated[Path | None, typer.Option("--data", envvar="BLINDSPOT_DATA", help="data folder")] = None,
    without_database: Annotated[
        bool, typer.Option("--without-database", help="everything else, where the database is PostgreSQL")
    ] = False,
) -> None:
    """Back up database, keys, models, releases and configuration, also while the cloud runs."""
    from cloud.backup import write_backup

    settings = settings_of(path, data)
    written = write_backup(settings, target, configuration=path, database=not without_database)
    notes.print(f"wrote {written}; it holds private keys")


@changes_state
def restore(
    backup_file: Annotated[
        Path, typer.Argument(metavar="BACKUP", help="a file that `blindspot backup` wrote")
    ],
    data: Annotated[Path, typer.Option("--data", help="the data folder to make; it must be new or empty")],
) -> None:
    """Make a data folder of a backup, with which the cloud goes on; its sites send what it lacks again."""
    from cloud.backup import CONFIGURATION, restore_backup

    card = restore_backup(backup_file, data)
    notes.print(f"restored {len(card.files)} files to {data}; start the cloud with this data folder")
    if CONFIGURATION in card.files:
        notes.print(f"the configuration is in {data / CONFIGURATION}; check the paths in it")
    if not card.database:
        notes.print("the database was not in it: restore it, then run `blindspot db renew`")


@db.command("renew")
@changes_state
def renew(
    path: ConfigOption = None,
    data: Annotated[Path | None, typer.Option("--data", help="data folder")] = None,
) -> None:
    """Make a database that was restored by other means another one for its sites. Stop the cloud first."""
    from cloud.store.receipt_store import ReceiptStore

    database = _database_to_change(path, data)
    try:
        identity = ReceiptStore(database).renew_identity()
    finally:
        database.close()
    notes.print(f"{database.place} has the identity {identity}")


@config.command("validate")
def validate(path: Annotated[Path, typer.Argument(help="the YAML file")]) -> None:
    """Check a configuration file and its classes file; name the first mistake with its line."""
    names = load_settings(CloudSettings, path).taxonomy.names
    notes.print_line(f"{path} is valid; its hazard classes are {', '.join(names)}")


@config.command("schema")
def schema() -> None:
    """Print the JSON Schema of the configuration."""
    print_json(CloudSettings.model_json_schema())


@config.command("show")
def show(path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the configuration with all defaults and overrides."""
    values = settings_of(path, None).model_dump(mode="json")
    if as_json:
        print_json(values)
    else:
        out.print(yaml.safe_dump(values, sort_keys=False), end="")


@cloud_app.command("settings")
def running_settings(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Print the settings in effect of the running cloud, without secrets."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get("configuration", ConfigurationResource)
    if as_json:
        print_json(found.settings)
    else:
        out.print(yaml.safe_dump(found.settings, sort_keys=False), end="")


@db.command("migrate")
@changes_state
def migrate(
    path: ConfigOption = None,
    data: Annotated[Path | None, typer.Option("--data", help="data folder")] = None,
) -> None:
    """Migrate the database to the newest schema, as `cloud run` does at its start."""
    database = _database_to_change(path, data)
    database.close()
    notes.print(f"{database.place} has the newest schema")


def _database_to_change(path: Path | None, data: Path | None) -> "Database":
    """The database, opened; a dry run ends before, once it is known that it can be."""
    from cloud.store.database import inspected_database, open_database

    url = settings_of(path, data).store_url
    inspected_database(url)
    before_change()
    return open_database(url)
