"""Inside a package, modules import only from packages that come before their own in a fixed order."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = {
    "edge": (
        {"errors"},
        {"gate", "zones", "ids", "rounding"},
        {"vision"},
        {"settings"},
        {"camera"},
        {"tracking"},
        {"privacy"},
        {"evidence"},
        {"updates"},
        {"outbox"},
        {"metrics", "health"},
        {"pipeline"},
        {"node"},
        {"api"},
        {"app"},
        {"doctor", "replay"},
        {"cli"},
    ),
    "synth": (
        {"errors", "order", "sensor"},
        {"street"},
        {"planning"},
        {"generation"},
        {"selection"},
        {"journal", "progress"},
        {"run"},
        {"small_sd", "experiments"},
    ),
    "dashboards": ({"errors", "markup", "phrases"}, {"client"}, {"snapshot"}, {"pages"}, {"app"}),
}


def _part(module: str) -> str:
    """`synth.planning.layout` -> `planning`."""
    return module.split(".")[1]


def _imports(package: str) -> set[tuple[str, str]]:
    """Pairs (part, imported part) of every import from another part of the package."""
    found: set[tuple[str, str]] = set()
    for path in (ROOT / package).rglob("*.py"):
        own = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
                modules = (
                    [f"{package}.{alias.name}" for alias in node.names]
                    if node.module == package
                    else [node.module or ""]
                )
                found |= {(own, _part(module)) for module in modules}
    return {pair for pair in found if pair[0] != pair[1]}


@pytest.mark.parametrize("package", ORDER)
def test_parts_of_a_package_import_only_parts_below_them(package: str) -> None:
    rank = {part: number for number, parts in enumerate(ORDER[package]) for part in parts}
    upward = sorted(pair for pair in _imports(package) if rank[pair[0]] <= rank[pair[1]])
    assert not upward


@pytest.mark.parametrize("package", ORDER)
def test_every_part_of_a_package_has_its_place_in_the_order(package: str) -> None:
    parts = {
        path.stem
        for path in (ROOT / package).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert parts - {"__init__"} == set().union(*ORDER[package])
