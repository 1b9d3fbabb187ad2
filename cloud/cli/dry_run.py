"""`--dry-run`: one decorator for every command that changes something.

In a dry run the command does what it always does until its first change, which the cloud, or the command
itself where it needs none, validates and does not make; then one sentence states what would happen.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer

from cloud.cli.console import print_json
from cloud.dry_runs import DryRunEnded, active, dry_run
from cloud.errors import NotKnown, NotNow
from messaging.runtime.console import notes, out

_OPTION = Annotated[
    bool, typer.Option("--dry-run", help="check everything, print what would happen, and change nothing")
]


def changes_state(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--dry-run`; its help must be a sentence that begins with a verb."""

    @functools.wraps(command, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    def with_option(context: typer.Context, *, dry_run_wanted: bool = False, **named: Any) -> None:
        if not dry_run_wanted:
            command(**named)
            return
        with dry_run():
            try:
                command(**named)
            except DryRunEnded:
                _print_outcome(context, command, changes=True)
            else:
                _print_outcome(context, command, changes=False)

    keyword = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("context", keyword, annotation=typer.Context)
    option = inspect.Parameter("dry_run_wanted", keyword, default=False, annotation=_OPTION)
    signature = inspect.signature(command, eval_str=True)
    own = [parameter.replace(kind=keyword) for parameter in signature.parameters.values()]
    signature = signature.replace(parameters=[context, *own, option])
    vars(with_option)["__signature__"] = signature
    with_option.__annotations__.clear()
    with_option.__annotations__.update({p.name: p.annotation for p in signature.parameters.values()})
    return with_option


def change_each(numbers: Iterable[int], change: Callable[[int], None]) -> None:
    """Make a change to each number; those that the cloud refuses are printed, and the exit code is then 1.

    A dry run checks all of them, and states what would happen if it refuses none.
    """
    refused, ended = 0, None
    for number in numbers:
        try:
            change(number)
        except (NotKnown, NotNow) as error:
            refused += 1
            notes.print_line(str(error))
        except DryRunEnded as end:
            ended = end
    if refused:
        raise typer.Exit(1)
    if ended is not None:
        raise ended


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person before a change that cannot be taken back; not in a dry run."""
    if not yes and not active():
        typer.confirm(question, abort=True)


def _print_outcome(context: typer.Context, command: Callable[..., None], *, changes: bool) -> None:
    names = [p.name or "" for p in context.command.params if p.param_type_name == "argument"]
    given = [context.params.get(name) for name in names]
    words = [word for one in given for word in (one if isinstance(one, list | tuple) else [one])]
    called = " ".join([*_words(context), *(str(word) for word in words if word is not None)])
    what = " ".join((command.__doc__ or "").strip().split("\n\n")[0].split()).rstrip(".")
    what = what[:1].lower() + what[1:]
    sentence = f"`{called}` would {what}" if changes else f"`{called}` would change nothing"
    if context.params.get("as_json"):
        print_json({"dry_run": True, "changes": changes, "would": sentence})
    else:
        out.print_line(f"{sentence}; nothing was changed")


def _words(context: typer.Context) -> list[str]:
    """The words of the command, whatever the program was started as."""
    names, above = [str(context.info_name)], context.parent
    while above is not None and above.parent is not None:
        names.insert(0, str(above.info_name))
        above = above.parent
    return ["blindspot", *names]
