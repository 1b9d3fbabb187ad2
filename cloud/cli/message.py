"""`blindspot message`: one message of the wire format as JSON. Needs no running cloud."""

from pathlib import Path
from typing import Annotated

import typer

from messaging.wire_format.inspection import cloud_event_json


def message(
    file: Annotated[
        Path, typer.Argument(help="one message: raw bytes or hex digits; - is standard input")
    ] = Path("-"),
) -> None:
    """Print one message of a site as CloudEvents JSON."""
    typer.echo(cloud_event_json(file))
