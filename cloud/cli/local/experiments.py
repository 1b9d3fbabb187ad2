"""`blindspot experiment`: the measurements behind the documents: list, run, show what was recorded."""

import importlib.util
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from cloud.cli.console import JsonOption, print_json, print_table
from cloud.errors import NotKnown, NotNow
from cloud.starting_detector import REFERENCE_WEIGHTS, STARTING_WEIGHTS, shipped
from messaging.figures import FigureFile, read_figures
from messaging.runtime.console import notes

experiment = typer.Typer(help="The measurements behind the documents.", no_args_is_help=True)

OutOption = Annotated[Path, typer.Option("--out", help="folder for figures and exported detectors")]
_STARTING, _REFERENCE, _WEIGHTS, _OUT = "{starting}", "{reference}", "{weights}", "{out}"
"""Inputs: the shipped detector and the reference as bundles, the shipped weights, the output folder."""


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        module: has a `main` that reads its arguments from the command line and writes figures to `--out`.
        measures: what is measured, in one phrase.
        takes: about how long it takes on two cores.
        arguments: what it is started with; inputs in braces are filled in.
        figures: name of its file of figures, where that is not the experiment's own.
        packages: what it needs beside the package and its extra `cloud`.
    """

    module: str
    measures: str
    takes: str
    arguments: tuple[str, ...] = ()
    figures: str | None = None
    packages: tuple[str, ...] = ()


EXPERIMENTS = {
    "evidence": Experiment(
        "synth.experiments.evidence_precision",
        "how often each evidence source is right, on drawn footage",
        "30 min",
        (_STARTING, "--teacher", _REFERENCE, "--world", "holdout"),
    ),
    "prototypes": Experiment(
        "synth.experiments.prototypes",
        "whether a prototype steers the bundled Stable Diffusion",
        "5 min",
        (_STARTING,),
    ),
    "prototype-cosine": Experiment(
        "synth.experiments.prototype_cosine",
        "how near released prototypes are to the mean without noise",
        "5 min",
        (_STARTING,),
    ),
    "teacher-bias": Experiment(
        "synth.experiments.teacher_bias",
        "how far recall that a teacher estimates from few frames is off",
        "1 min",
        figures="witness",
    ),
    "bench-edge": Experiment(
        "synth.experiments.edge_speed",
        "milliseconds of a frame at a site, beside its bare model and ultralytics' predict",
        "2 min",
        (_STARTING, _REFERENCE),
    ),
    "bench-generate": Experiment(
        "synth.experiments.bench_generate",
        "images per second of the generator, beside the plain diffusers call (--generator FOLDER)",
        "2 min",
    ),
    "bench-train": Experiment(
        "cloud.training.experiments.bench_train",
        "speed of training beside ultralytics' own, and its memory with 50,000 images",
        "30 min",
        (_WEIGHTS,),
    ),
    "wire-format": Experiment(
        "messaging.wire_format.experiments.compare_encodings",
        "bytes per message, beside UPER, protobuf, CBOR and JSON",
        "5 s",
        packages=("asn1tools", "cbor2", "google.protobuf"),
    ),
    "photographs": Experiment(
        "cloud.starting_detector.photograph_figures",
        "the shipped detector on real hazards (--photographs FOLDER, --clips FOLDER)",
        "10 min",
    ),
    "demo-control": Experiment(
        "cloud.demo.drawn.control_effect",
        "what the generated images of the last demo contribute: its training again, without them",
        "10 min",
        ("--demo", f"{_OUT}/demo"),
    ),
    "demo-mixes": Experiment(
        "cloud.demo.drawn.mix_effect",
        "other mixes of the last demo's generated and real images, with other seeds (--seed N)",
        "40 min",
        ("--demo", f"{_OUT}/demo"),
    ),
}


def figures_path(name: str, out: Path) -> Path:
    """The file of figures of an experiment in an output folder."""
    return out / "figures" / f"{EXPERIMENTS[name].figures or name.replace('-', '_')}.json"


@experiment.command("list")
def list_experiments(out: OutOption = Path("out"), as_json: JsonOption = False) -> None:
    """List the experiments, and when each was recorded here."""
    rows = [(name, one.measures, one.takes, _recorded(name, out)) for name, one in EXPERIMENTS.items()]
    columns = ("name", "measures", "takes", "recorded")
    if as_json:
        print_json({"experiments": [dict(zip(columns, row, strict=True)) for row in rows]})
        return
    print_table("Experiments", columns, rows, "")


@experiment.command("run")
def run(
    name: Annotated[str, typer.Argument(help="as in `experiment list`")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="after --: options of the experiment; -- --help lists them")
    ] = None,
    out: OutOption = Path("out"),
) -> None:
    """Run an experiment; it prints its figures and writes them to a file in the output folder."""
    wanted = _known(name)
    missing = [package for package in wanted.packages if not _installed(package)]
    if missing:
        raise NotNow(f"experiment {name} needs {', '.join(missing)}; install the package with extra `dev`")
    given = [_filled(argument, out) for argument in wanted.arguments]
    path = figures_path(name, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    former, sys.argv = sys.argv, [wanted.module, *given, "--out", str(path), *(arguments or ())]
    try:
        code = import_module(wanted.module).main()
    finally:
        sys.argv = former
    raise typer.Exit(code or 0)


@experiment.command("report")
def report(
    names: Annotated[list[str] | None, typer.Argument(help="as in `experiment list`; default: all")] = None,
    out: OutOption = Path("out"),
    as_json: JsonOption = False,
) -> None:
    """Print the recorded figures with their targets, and where and when they were measured."""
    for name in names or ():
        _known(name)
    paths = {name: figures_path(name, out) for name in names or EXPERIMENTS}
    found = {name: read_figures(path) for name, path in paths.items() if path.exists()}
    absent = [name for name in paths if name not in found]
    if as_json:
        print_json({name: _as_values(one) for name, one in found.items()})
    for name, one in found.items() if not as_json else ():
        rows = [(f.name, f.value_text, f.n, f.target, f.holds_text) for f in one.figures]
        title = f"{name}: {one.date}, commit {one.commit or 'unknown'}, {one.machine}"
        print_table(title, ("figure", "value", "n", "target", ""), rows, f"{name} has no figures")
    if absent:
        notes.print_line(f"not recorded in {out / 'figures'}: {', '.join(absent)}")


def _known(name: str) -> Experiment:
    if name not in EXPERIMENTS:
        raise NotKnown(f"there is no experiment {name[:40]!r}; there are {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def _filled(argument: str, out: Path) -> str:
    """An argument with its input; bundles that are absent or older than the weights are exported."""
    if argument == _STARTING:
        return str(_bundle(STARTING_WEIGHTS, out / "bundles" / "starting.onnx"))
    if argument == _REFERENCE:
        return str(_bundle(REFERENCE_WEIGHTS, out / "bundles" / "reference.onnx"))
    return argument.replace(_WEIGHTS, str(STARTING_WEIGHTS)).replace(_OUT, str(out))


def _bundle(weights: Path, bundle: Path) -> Path:
    if shipped(weights) is None:
        raise NotNow(f"{weights} is not installed; this experiment measures the shipped detector")
    if not bundle.exists() or bundle.stat().st_mtime < weights.stat().st_mtime:
        from cloud.detector.bundle_export import export_bundle
        from cloud.detector.weights import read_weights

        bundle.parent.mkdir(parents=True, exist_ok=True)
        export_bundle(read_weights(weights), bundle)
    return bundle


def _recorded(name: str, out: Path) -> str:
    path = figures_path(name, out)
    return read_figures(path).date if path.exists() else ""


def _as_values(found: FigureFile) -> dict[str, object]:
    return asdict(found) | {"figures": [asdict(one) | {"holds": one.holds} for one in found.figures]}
