"""`blindspot deadletters|message`: messages that were refused, over the REST API, and one of a file."""

from pathlib import Path
from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import DEFAULT_DATA, DataOption, JsonOption, print_json, print_table, show_list, when
from cloud.cli.dry_run import change_each, changes_state
from messaging.api.dead_letters import DeadLetterContent, DeadLetterResource, ReplayResource
from messaging.runtime.console import notes
from messaging.wire_format.inspection import cloud_event_json

dead_letters = typer.Typer(help="Messages of sites that were refused.", no_args_is_help=True)
SiteOption = Annotated[str | None, typer.Option(help="only those of this site")]
Letter = Annotated[int, typer.Argument(min=1, help="its number, as in `deadletters list`")]


@dead_letters.command("list")
def list_dead_letters(
    site: SiteOption = None, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """List refused messages, latest first."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("dead-letters", DeadLetterResource, site=site)
    show_list(
        found,
        as_json,
        title="Dead letters",
        columns=("number", "received", "subject", "bytes", "reason"),
        row=lambda one: (one.id, when(one.received_at), one.subject, one.length_bytes, one.reason),
        empty="No message was refused.",
    )


@dead_letters.command("show")
def show_dead_letter(letter: Letter, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Show one refused message: the reason, and the reports in it."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get(f"dead-letters/{letter}", DeadLetterContent)
    if as_json:
        print_json(found)
        return
    rows: list[tuple[str, object]] = [
        ("reason", found.reason),
        ("received", when(found.received_at)),
        ("subject", found.subject),
        ("bytes", found.length_bytes),
    ]
    if found.message is None:
        rows.append(("data", found.data_hex))
    else:
        rows += [(f"report {n}", report) for n, report in enumerate(found.message["data"], start=1)]
    print_table(f"Dead letter {found.id}", ("", ""), rows, "")


@dead_letters.command("replay")
@changes_state
def replay_dead_letters(
    letters: Annotated[list[int] | None, typer.Argument(help="numbers, as in `deadletters list`")] = None,
    every: Annotated[bool, typer.Option("--all", help="all of them, the oldest first")] = False,
    site: Annotated[str | None, typer.Option(help="with --all: only those of this site")] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Give refused messages to intake again; those that it takes are dead letters no longer."""
    if every == bool(letters):
        raise typer.BadParameter("give the numbers of dead letters, or --all")
    if site is not None and not every:
        raise typer.BadParameter("--site is for --all; a number names one message already")
    with RemoteCloud.of_folder(data) as cloud:
        if every:
            letters = sorted(one.id for one in cloud.page("dead-letters", DeadLetterResource, site=site))

        def replay(letter: int) -> None:
            done = cloud.send("POST", f"dead-letters/{letter}/replay", ReplayResource)
            notes.print(f"dead letter {letter}: {done.reports} reports are stored")

        change_each(letters or (), replay)


def message(
    file: Annotated[
        Path, typer.Argument(help="one message: raw bytes or hex digits; - is standard input")
    ] = Path("-"),
) -> None:
    """Print one message of a site as CloudEvents JSON."""
    typer.echo(cloud_event_json(file))
