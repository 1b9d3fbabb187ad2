"""`blindspot`: the cloud's command line.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 unhealthy (no cloud answers, `doctor` found a fault), 4 no room
on the disk. An
error is one sentence on stderr that names the input and the remedy; `-v` adds the traceback. Commands
that only ask a running cloud import none of the heavy libraries.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, cast

import typer
import typer.rich_utils
from typer.core import TyperGroup

from cloud.errors import CloudUnreachable
from messaging.errors import BlindspotError
from messaging.runtime.console import has_styles
from messaging.runtime.program import ExitCode, configure_logging, report_error

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """Where a command is defined.

    Attributes:
        module: the module that defines it.
        name: the function or the group of commands in that module.
        more: modules that add commands to the group.
    """

    module: str
    name: str
    panel: str
    more: tuple[str, ...] = ()

    def command(self) -> Any:
        """The command, as the command line runs it."""
        found = getattr(import_module(f"cloud.cli.{self.module}"), self.name)
        for module in self.more:
            import_module(f"cloud.cli.{module}")
        if isinstance(found, typer.Typer):
            command: Any = typer.main.get_group(found)
        else:
            alone = typer.Typer(pretty_exceptions_enable=False)
            alone.command()(found)
            command = typer.main.get_command(alone)
        command.rich_help_panel = self.panel
        return command


START, RUN, FLEET, LOOP = "Start here", "Run the cloud", "The fleet", "The learning loop"
COMMANDS = {
    "demo": Entry("local.demo", "demo", START),
    "demo-real": Entry("local.demo", "demo_real", START),
    "init": Entry("local.setup", "init", START),
    "doctor": Entry("local.setup", "doctor", START),
    "backup": Entry("local.setup", "backup", RUN),
    "restore": Entry("local.setup", "restore", RUN),
    "message": Entry("dead_letters", "message", FLEET),
    "cloud": Entry("local.setup", "cloud_app", RUN),
    "config": Entry("local.setup", "config", RUN),
    "db": Entry("local.setup", "db", RUN),
    "keys": Entry("local.keys", "keys_app", RUN),
    "users": Entry("users", "users", RUN),
    "tokens": Entry("users", "tokens", RUN),
    "audit": Entry("users", "audit", RUN),
    "overview": Entry("histories", "overview", FLEET),
    "sites": Entry("fleet", "sites", FLEET, more=("histories", "site_removal")),
    "cameras": Entry("fleet", "cameras", FLEET),
    "hazards": Entry("hazards", "hazards", FLEET),
    "ledger": Entry("fleet", "ledger", FLEET, more=("histories",)),
    "deadletters": Entry("dead_letters", "dead_letters", FLEET),
    "integrations": Entry("integrations", "integrations", FLEET),
    "classes": Entry("classes", "classes", LOOP),
    "data": Entry("local.data", "data_app", LOOP),
    "misdetections": Entry("evidence", "misdetections", LOOP),
    "failures": Entry("failure_modes", "failures", LOOP, more=("histories",)),
    "campaign": Entry("campaigns", "campaign", LOOP, more=("gallery", "provenance")),
    "generator": Entry("generator", "generator", LOOP),
    "models": Entry("models", "models", LOOP, more=("provenance",)),
    "rollout": Entry("models", "rollout", LOOP),
    "teacher": Entry("models", "teacher", LOOP),
    "experiment": Entry("local.experiments", "experiment", LOOP),
}


class ImportedWhenUsed(Mapping[str, Any]):
    """The commands of `COMMANDS` by name; a command's module is imported when the command is read."""

    def __getitem__(self, name: str) -> Any:
        command = COMMANDS[name].command()
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Commands(TyperGroup):
    """The group of all commands. The help imports every one of them, a command only its own module."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.commands = cast("dict[str, Any]", ImportedWhenUsed())


app = typer.Typer(
    name="blindspot",
    cls=Commands,
    help="Finds the blind spots of edge hazard detectors and closes them with synthetic images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="log every step on stderr, and print tracebacks of errors")
    ] = False,
) -> None:
    """Finds the blind spots of edge hazard detectors and closes them with synthetic images."""
    configure_logging("DEBUG" if verbose else "WARNING")


def main() -> None:
    """Entry point: run a command; an error becomes one sentence on stderr and an exit code."""
    if not has_styles():
        vars(typer.rich_utils)["COLOR_SYSTEM"] = None
    try:
        app()
    except (BlindspotError, OSError) as error:
        if logger.isEnabledFor(logging.DEBUG):
            raise
        report_error(error)
        sys.exit(ExitCode.UNHEALTHY if isinstance(error, CloudUnreachable) else ExitCode.FAILED)


if __name__ == "__main__":
    main()
