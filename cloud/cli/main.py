"""`blindspot`: the cloud's command line.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 unhealthy (no cloud answers, `doctor` found a fault). An
error is one sentence on stderr that names the input and the remedy; `-v` adds the traceback. Commands
that only ask a running cloud import none of the heavy libraries.
"""

import logging
import sys
from typing import Annotated

import typer
from rich.markup import escape

from cloud.cli.campaigns import campaign
from cloud.cli.fleet import cameras, failures, hazards, ledger, sites
from cloud.cli.models import models, rollout
from cloud.cli.setup import cloud_app, config, data_app, db, doctor, init
from cloud.console import notes
from cloud.demo.command import demo, demo_real
from cloud.errors import CloudUnreachable
from messaging.errors import BlindspotError

FAILED, UNHEALTHY = 1, 3

app = typer.Typer(
    name="blindspot",
    help="Finds the blind spots of edge hazard detectors and closes them with synthetic images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for name, group in (
    ("cloud", cloud_app),
    ("config", config),
    ("sites", sites),
    ("cameras", cameras),
    ("failures", failures),
    ("hazards", hazards),
    ("campaign", campaign),
    ("models", models),
    ("rollout", rollout),
    ("data", data_app),
    ("ledger", ledger),
    ("db", db),
):
    app.add_typer(group, name=name)
app.command()(init)
app.command()(doctor)
app.command()(demo)
app.command("demo-real")(demo_real)

_verbose = False


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="more words, and tracebacks")] = False,
) -> None:
    """Finds the blind spots of edge hazard detectors and closes them with synthetic images."""
    global _verbose  # read once by main() when an error comes up
    _verbose = verbose
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def main() -> None:
    """Entry point: run, and turn errors into a sentence and an exit code."""
    try:
        app()
    except BlindspotError as error:
        if _verbose:
            raise
        notes.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(UNHEALTHY if isinstance(error, CloudUnreachable) else FAILED)


if __name__ == "__main__":
    main()
