"""Import layers and doors, read off the source: messaging <- edge <- synth <- cloud, messaging <- pages."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("messaging", "edge", "synth", "cloud", "dashboards")
MAY_IMPORT = {
    "messaging": set(),
    "edge": {"messaging"},
    "synth": {"messaging", "edge"},
    "cloud": {"messaging", "edge", "synth"},
    "dashboards": {"messaging"},
}
SHARED_EDGE = {"vision", "errors"}
# Measures the evidence sources of edge on drawn streets, which edge must not import.
MEASURES_EDGE = "synth/experiments/evidence_precision.py"
DOORS = {
    "nats": {"messaging/nats/connection.py"},
    "nkeys": {"messaging/nats/credentials.py"},
    "tuf": {"messaging/trust/site_trust.py", "messaging/trust/signing.py"},
    "securesystemslib": {"messaging/trust/keys.py"},
    "onnxruntime": {"edge/vision/onnx_detector.py"},
    "diffusers": {"synth/generation/stable_diffusion.py", "synth/small_sd"},
    "torch": {
        "cloud/detector",
        "cloud/training",
        "synth/generation/stable_diffusion.py",
        "synth/small_sd",
    },
    "sqlalchemy": {"cloud/store", "cloud/migrations"},
    "alembic": {"cloud/store/database.py", "cloud/migrations"},
    "fastapi": {"cloud/api", "edge/api.py", "dashboards/app.py"},
    "starlette": {"cloud/api", "dashboards/app.py"},
    "typer": {"cloud/cli", "edge/cli.py"},
    "ultralytics": {"cloud/detector/ultralytics_yolo.py"},
    "dbos": {"cloud/campaigns/workflow.py", "cloud/module_runs.py"},
    "nicegui": {"dashboards/app.py", "dashboards/pages"},
}
EDGE_NEVER = {"torch", "ultralytics", "diffusers", "transformers"}


def _modules(package: str) -> Iterator[tuple[str, set[str]]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import; name the defining module"
                names.add(node.module or "")
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
        yield path.relative_to(ROOT).as_posix(), names


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    wrong = [
        f"{path} imports {name}"
        for path, names in _modules(package)
        for name in names
        if (top := name.split(".")[0]) in PACKAGES and top != package and top not in MAY_IMPORT[package]
    ]
    assert not wrong


@pytest.mark.parametrize("package", ["synth", "cloud"])
def test_synth_and_cloud_import_only_the_vision_part_of_edge(package: str) -> None:
    wrong = [
        f"{path} imports {name}"
        for path, names in _modules(package)
        for name in names
        if name.startswith("edge.") and name.split(".")[1] not in SHARED_EDGE and path != MEASURES_EDGE
    ]
    assert not wrong


@pytest.mark.parametrize("library", sorted(DOORS))
def test_each_heavy_library_has_one_door(library: str) -> None:
    wrong = [
        path
        for package in PACKAGES
        for path, names in _modules(package)
        if any(name == library or name.startswith(f"{library}.") for name in names)
        and not any(path == door or path.startswith(f"{door}/") for door in DOORS[library])
    ]
    assert not wrong


def test_the_edge_extra_names_no_training_library() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert not [line for line in extras["edge"] for name in EDGE_NEVER if line.startswith(name)]


def _importable(package: str) -> list[str]:
    """Names of all modules of a package."""
    paths = [path.relative_to(ROOT).with_suffix("") for path in sorted((ROOT / package).rglob("*.py"))]
    return [".".join(path.parts).removesuffix(".__init__") for path in paths]


def test_every_module_of_the_edge_imports_with_torch_absent() -> None:
    script = (
        "import importlib, importlib.abc, sys\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name.split('.')[0] in {sorted(EDGE_NEVER)!r}: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"for name in {_importable('edge')!r}: importlib.import_module(name)\n"
        f"assert not set(sys.modules) & set({sorted(EDGE_NEVER)!r})\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, timeout=60)
