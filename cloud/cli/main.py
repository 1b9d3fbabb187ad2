"""`blindspot`: the cloud's command line.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 unhealthy (no cloud answers, `doctor` found a fault), 4 no room
on the disk. An
error is one sentence on stderr that names the input and the remedy; `-v` adds the traceback. Commands
that only ask a running cloud import none of the heavy libraries.
"""

import logging
import sys
from typing import Annotated

import typer

from cloud.cli.campaigns import campaign
from cloud.cli.classes import classes
from cloud.cli.data import data_app
from cloud.cli.dead_letters import dead_letters
from cloud.cli.demo import demo, demo_real
from cloud.cli.fleet import cameras, failures, ledger, sites
from cloud.cli.gallery import duplicates, images, review
from cloud.cli.generator import generator
from cloud.cli.hazards import hazards
from cloud.cli.histories import history, ledger_days, overview, prototypes, show_site
from cloud.cli.integrations import integrations
from cloud.cli.keys import keys_app
from cloud.cli.message import message
from cloud.cli.models import models, rollout, teacher
from cloud.cli.provenance import evaluations, lineage
from cloud.cli.setup import backup, cloud_app, config, db, doctor, init, restore
from cloud.cli.users import audit, tokens, users
from cloud.errors import CloudUnreachable
from messaging.errors import BlindspotError
from messaging.runtime.program import ExitCode, configure_logging, report_error

logger = logging.getLogger(__name__)
app = typer.Typer(
    name="blindspot",
    help="Finds the blind spots of edge hazard detectors and closes them with synthetic images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
START, RUN, FLEET, LOOP = "Start here", "Run the cloud", "The fleet", "The learning loop"
for name, command in (("demo", demo), ("demo-real", demo_real), ("init", init), ("doctor", doctor)):
    app.command(name, rich_help_panel=START)(command)
app.command("backup", rich_help_panel=RUN)(backup)
app.command("restore", rich_help_panel=RUN)(restore)
app.command("message", rich_help_panel=FLEET)(message)
campaign.command("images")(images)
campaign.command("evaluations")(evaluations)
models.command("lineage")(lineage)
campaign.command("duplicates")(duplicates)
campaign.command("review")(review)
failures.command("history")(history)
sites.command("show")(show_site)
ledger.command("days")(ledger_days)
failures.command("prototypes")(prototypes)
for name, group, panel in (
    ("cloud", cloud_app, RUN),
    ("config", config, RUN),
    ("db", db, RUN),
    ("keys", keys_app, RUN),
    ("users", users, RUN),
    ("tokens", tokens, RUN),
    ("audit", audit, RUN),
    ("overview", overview, FLEET),
    ("sites", sites, FLEET),
    ("cameras", cameras, FLEET),
    ("hazards", hazards, FLEET),
    ("ledger", ledger, FLEET),
    ("deadletters", dead_letters, FLEET),
    ("integrations", integrations, FLEET),
    ("classes", classes, LOOP),
    ("data", data_app, LOOP),
    ("failures", failures, LOOP),
    ("campaign", campaign, LOOP),
    ("generator", generator, LOOP),
    ("models", models, LOOP),
    ("rollout", rollout, LOOP),
    ("teacher", teacher, LOOP),
):
    app.add_typer(group, name=name, rich_help_panel=panel)


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
    try:
        app()
    except (BlindspotError, OSError) as error:
        if logger.isEnabledFor(logging.DEBUG):
            raise
        report_error(error)
        sys.exit(ExitCode.UNHEALTHY if isinstance(error, CloudUnreachable) else ExitCode.FAILED)


if __name__ == "__main__":
    main()
