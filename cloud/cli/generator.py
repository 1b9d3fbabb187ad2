"""`blindspot generator`: try a generator and show what it is; needs no running cloud."""

from pathlib import Path
from typing import Annotated

import typer

from cloud.cli.console import JsonOption, print_json, print_table
from cloud.cli.local.setup import ConfigOption, settings_of
from messaging.runtime.console import notes, out

generator = typer.Typer(help="The generator of images: try it, and show its card.", no_args_is_help=True)
DataOption = Annotated[
    Path | None, typer.Option("--data", envvar="BLINDSPOT_DATA", help="data folder, for its backgrounds")
]


@generator.command("try")
def try_generator(
    class_name: Annotated[str, typer.Option("--class", help="hazard class, as in the classes file")],
    condition: Annotated[str, typer.Option("--condition", help="LIGHT-WEATHER, night-rain for example")],
    count: Annotated[int, typer.Option("--count", min=1, max=64, help="hazards on the sheet")] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0, help="another seed, other images")] = 1,
    sheet: Annotated[Path, typer.Option("--out", help="the PNG file")] = Path("contact-sheet.png"),
    path: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Inpaint some hazards with the configured generator and write a contact sheet as PNG."""
    from cloud.generator_trial import try_out

    done = try_out(settings_of(path, data), class_name, condition, count=count, seed=seed, sheet=sheet)
    for prompt in dict.fromkeys(done.prompts):
        out.print_line(prompt)
    notes.print(f"{sheet}: {done.hazards} hazards, {done.labelled} of them with a label")


@generator.command("card")
def card(
    path: ConfigOption = None,
    measure: Annotated[bool, typer.Option(help="measure images per minute, which opens the model")] = True,
    as_json: JsonOption = False,
) -> None:
    """Show licence, size and device of the configured generator, and how fast it is here."""
    from cloud.generator_trial import generator_card

    rows = generator_card(settings_of(path, None), measure=measure)
    if as_json:
        print_json(dict(rows))
    else:
        print_table("Generator", ("", ""), rows.items(), "")
