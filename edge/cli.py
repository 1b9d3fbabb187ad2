"""`blindspot-edge`: the three programs of a site (node, gate, broker), and commands that inspect it.

Exit codes: 0 fine, 1 failed, 2 usage, 3 unhealthy, 4 no room on the disk; the three programs wait for room
instead. An error is one sentence on stderr; tables go to stdout.
"""

import datetime
import json
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
import typer.rich_utils
from rich.progress import Progress

from messaging.runtime.addresses import masked_text
from messaging.runtime.configuration_files import load_settings
from messaging.runtime.console import has_styles, notes, out
from messaging.runtime.program import (
    ExitCode,
    configure_logging,
    exit_code_of,
    restart_program,
    when_there_is_room,
)
from messaging.runtime.stopping import stop_on_signals

app = typer.Typer(
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=True,
    help="The programs of one site: node, gate and broker.",
)
config_app = typer.Typer(no_args_is_help=True, help="Check and show the configuration.")
ledger_app = typer.Typer(no_args_is_help=True, help="What has left this site.")
app.add_typer(config_app, name="config")
app.add_typer(ledger_app, name="ledger")

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="The node's YAML file.")]
LedgerPath = Annotated[Path, typer.Argument(help="The gate's ledger: its file or folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on stdout.")]


@app.command()
def node(config: ConfigPath = Path("node.yaml")) -> None:
    """Run the node: detect hazards on all cameras and report, until SIGTERM or Ctrl-C."""
    from edge.app import run_node
    from edge.settings import NodeSettings

    settings, stop = load_settings(NodeSettings, config), stop_on_signals()
    when_there_is_room(lambda: run_node(settings, stop, restart_program), stop)


app.command("run", help="The same as `node`.", hidden=True)(node)


@app.command()
def gate(config: Annotated[Path, typer.Option("--config", "-c", help="The gate's YAML file.")]) -> None:
    """Run the gate: forward admitted reports to the hub and mirror releases, until SIGTERM or Ctrl-C."""
    from edge.gate.program import run_until_signalled
    from edge.gate.settings import GateSettings

    settings = load_settings(GateSettings, config)
    when_there_is_room(lambda: run_until_signalled(settings))


@app.command()
def broker(
    site: Annotated[str, typer.Option(help="The site's name.")],
    folder: Annotated[Path, typer.Option(help="Its store and the seeds of its two users.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 4222,
    prepare: Annotated[bool, typer.Option("--prepare", help="Only make the seeds.")] = False,
) -> None:
    """Run the site's broker (nats-server) until SIGTERM or Ctrl-C."""
    from messaging.nats.site_broker import prepare_broker, run_broker

    if prepare:
        prepare_broker(folder, site, host=host, port=port)
        return
    stop = stop_on_signals()
    when_there_is_room(lambda: run_broker(prepare_broker(folder, site, host=host, port=port), stop), stop)


@app.command()
def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Also check what this node's file names.")
    ] = None,
    gate_config: Annotated[
        Path | None, typer.Option("--gate", help="Also check what this gate's file names.")
    ] = None,
    broker_folder: Annotated[
        Path | None, typer.Option("--broker", help="Also check this folder of a broker.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Measure with this detector bundle; else with the model in service.")
    ] = None,
    speed: Annotated[
        bool, typer.Option("--speed/--no-speed", help="Measure how many frames a second it detects.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Check this machine for what a node needs; exit code 3 when something is missing or faulty."""
    from edge.doctor import examine

    found = examine(
        config, gate=gate_config, broker_folder=broker_folder, bundle=bundle, measures_speed=speed
    )
    results = [replace(result, detail=masked_text(result.detail)) for result in found]
    if as_json:
        out.print_json(json.dumps({result.name: result.as_values() for result in results}))
    else:
        for result in results:
            out.print_line(result.mark, f"  {result.name}: {result.detail}")
    if not all(result.ok for result in results):
        raise typer.Exit(ExitCode.UNHEALTHY)


@app.command()
def replay(
    video: Annotated[Path, typer.Argument(help="A video file or a folder of images.")],
    bundle: Annotated[Path, typer.Option("--bundle", help="The detector bundle (model.onnx).")],
    frames: Annotated[int, typer.Option(help="At most so many frames.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Run a detector on a video, offline: what it detects, how fast, and in how much memory."""
    from edge.replay import replay_video

    result = asdict(replay_video(video, bundle, frames))
    if as_json:
        out.print_json(json.dumps(result))
        return
    for name, value in result.items():
        out.print_line(f"{name}: {value}")


@app.command()
def bench(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="A node's file: its cameras and models.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Measure with this detector bundle; else the model in service.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="A video file or folder of images; else a drawn clip of 1280x720.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.5, max=3600.0, help="For so long, after a warm-up.")] = 60.0,
    out_file: Annotated[Path, typer.Option("--out", help="The file of figures to write.")] = Path(
        "out/figures/bench_node.json"
    ),
    as_json: AsJson = False,
) -> None:
    """Measure the frame rate of a node on this machine, with p50 and p95 of every stage, and its memory.

    Without --config and --bundle, the shipped detector is measured. For a check of half a minute: `doctor`.
    """
    from edge.bench import measure, models_of
    from edge.health import let_no_frame_wait
    from edge.settings import NodeSettings
    from messaging.figures import write_figures

    settings = None if config is None else load_settings(NodeSettings, config)
    models = models_of(settings, bundle)
    let_no_frame_wait()
    notes.print_line(f"measuring {models} for {seconds:g} s")
    with Progress(console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task("measuring", total=1.0)
        figures = measure(
            models, video, seconds=seconds, progress=lambda part: bar.update(task, completed=part)
        )
    command = shlex.join(["blindspot-edge", *sys.argv[1:]])
    write_figures(out_file, figures, command=masked_text(command), now=datetime.datetime.now(datetime.UTC))
    if as_json:
        out.print_json(out_file.read_text(encoding="utf-8"))
        return
    for figure in figures:
        out.print_line(f"{figure.name:30} {figure.value_text:>18}")
    notes.print_line(f"written to {out_file}")


@config_app.command("validate")
def config_validate(config: ConfigPath = Path("node.yaml")) -> None:
    """Check the file; silent success, or one sentence that names line and remedy."""
    from edge.settings import NodeSettings

    load_settings(NodeSettings, config)
    out.print_line(f"{config}: fine")


@config_app.command("schema")
def config_schema() -> None:
    """The JSON Schema of the node's configuration."""
    from edge.settings import NodeSettings

    out.print_json(json.dumps(NodeSettings.model_json_schema()))


@config_app.command("show")
def config_show(config: ConfigPath = Path("node.yaml")) -> None:
    """The configuration with all defaults filled in; passwords in addresses are masked."""
    from edge.settings import NodeSettings

    out.print_json(json.dumps(load_settings(NodeSettings, config).shown()))


@ledger_app.command("verify")
def ledger_verify(
    ledger: LedgerPath,
    receipts: Annotated[
        Path | None,
        typer.Option(metavar="TRUST", help="Require the cloud's receipt, by the site's trust file."),
    ] = None,
    stated: Annotated[
        Path | None, typer.Option(help="Entries that the cloud knows, as `blindspot ledger verify` lists.")
    ] = None,
) -> None:
    """Recompute the chain; exit code 1 and the first broken entry when it does not hold."""
    from edge.gate.ledger_entries import read_stated, verify
    from messaging.trust.site_trust import SiteTrust

    director = None if receipts is None else SiteTrust.read(receipts).director
    entries = () if stated is None else read_stated(stated)
    out.print_line(f"{ledger}: {verify(ledger, director, entries).sentence}")
    if stated is not None:
        out.print_line(f"{ledger}: has the {len(entries)} entries that the cloud knows")


@ledger_app.command("show")
def ledger_show(ledger: LedgerPath, as_json: AsJson = False) -> None:
    """Totals by message type and day, and those of what is written beside messages (`transport`)."""
    from edge.gate.ledger_entries import verify

    summary = verify(ledger)
    rows = [
        {"day": day, "kind": kind, "messages": total.count, "bytes": total.bytes}
        for (kind, day), total in sorted(summary.by_kind_and_day.items(), key=lambda row: row[0][::-1])
    ]
    if as_json:
        out.print_json(json.dumps(rows))
        return
    for row in rows:
        text = f"{row['day']}  {row['kind']:<25} {row['messages']:>8} entries {row['bytes']:>10} bytes"
        out.print_line(text)
    out.print_line(summary.bytes_sentence)


@ledger_app.command("export")
def ledger_export(
    ledger: LedgerPath,
    out_file: Annotated[Path, typer.Option("--out", help="The file, which is replaced.")],
) -> None:
    """Verify the chain, then copy every entry to a file, one JSON object a line."""
    from edge.gate.ledger_entries import export

    out.print_line(f"{out_file}: has the {export(ledger, out_file)} entries of {ledger}")


@app.command()
def message(
    file: Annotated[
        Path, typer.Argument(help="One message: raw bytes or hex digits; - is standard input.")
    ] = Path("-"),
) -> None:
    """Print one message as CloudEvents JSON."""
    from messaging.wire_format.inspection import cloud_event_json

    typer.echo(cloud_event_json(file))


def main() -> None:
    """Entry point; see `messaging.runtime.program` for exit codes."""
    configure_logging()
    if not has_styles():
        vars(typer.rich_utils)["COLOR_SYSTEM"] = None
    raise SystemExit(exit_code_of(app))


if __name__ == "__main__":
    main()
