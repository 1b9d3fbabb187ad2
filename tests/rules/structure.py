"""The structure of the source tree, read from the source: imports, sizes, names.

The rules in `test_layers` and `test_structure` assert these values; `python -m tests.rules.house` records
them.
"""

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("messaging", "edge", "synth", "cloud", "dashboards")
PACKAGES_BELOW = {
    "messaging": (),
    "edge": ("messaging",),
    "synth": ("messaging", "edge"),
    "cloud": ("messaging", "edge", "synth"),
    "dashboards": ("messaging",),
}

# Inside a package a module imports only what is named before it. A name is a module or a folder.
FLOORS = {
    "messaging": (
        *(
            "errors",
            "runtime",
            "access",
            "monitoring",
            "tls",
            "intervals",
            "plurals",
            "fields",
            "hazard_classes",
            "taxonomy",
            "releases",
            "reports",
        ),
        *("receipts", "blobs", "bus"),
        *(
            "figures",
            "memory_bus",
            "wire_format",
            "nats",
            "trust",
            "resources",
            "api",
            "release_resources",
            "card_resources",
            "access_resources",
            "integration_resources",
            "cloud_address",
            "cloud_requests",
        ),
    ),
    "edge": (
        *("errors", "gate", "zones", "ids", "rounding", "vision", "source_address"),
        *("settings", "camera", "tracking"),
        *(
            "privacy",
            "evidence",
            "updates",
            "outbox",
            "metrics",
            "health",
            "live",
            "comparisons",
            "pipeline",
            "answers",
            "node",
            "api",
        ),
        *("start_checks", "app", "doctor", "replay", "bench", "cli"),
    ),
    "synth": (
        *("errors", "device_names", "torch_device", "order", "sensor", "street", "planning", "generation"),
        *("selection", "progress", "journal", "speed", "run_arguments", "contact_sheet", "run"),
        *("small_sd", "experiments"),
    ),
    "cloud": (
        *(
            "errors",
            "dry_runs",
            "metrics",
            "network_settings",
            "integration_settings",
            "settings",
            "server_certificate",
            "opentelemetry_spans",
            "tracing",
            "class_register",
            "module_runs",
            "background",
            "page_program",
            "console",
        ),
        *("store", "migrations", "access", "integrations"),
        *("data", "detector", "evaluation", "training", "model_import", "starting_detector"),
        *("failure_modes", "fleet", "backup"),
        *(
            "campaigns",
            "generator_samples",
            "api",
            "speed",
            "doctor",
            "generator_trial",
            "parts",
            "app",
            "demo",
            "cli",
        ),
    ),
    "dashboards": (
        *(
            "errors",
            "markup",
            "phrases",
            "theme",
            "scope",
            "client",
            "access",
            "settings",
            "map_plan",
            "reads",
        ),
        *("components", "learning", "page_view", "pages", "shell", "page_list", "server", "app"),
    ),
}


@dataclass(frozen=True)
class Module:
    """One source file: path relative to the root, and every name that it imports, inside functions too."""

    path: str
    imports: frozenset[str]
    lines: int
    tree: ast.Module

    @property
    def name(self) -> str:
        """The dotted name."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def modules(folder: str) -> tuple[Module, ...]:
    """All modules below a top-level folder."""
    return tuple(_read(path) for path in sorted((ROOT / folder).rglob("*.py")))


def _read(path: Path) -> Module:
    text = path.read_text()
    tree = ast.parse(text)
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; name the defining module"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return Module(path.relative_to(ROOT).as_posix(), frozenset(names), len(text.splitlines()), tree)


def product() -> Iterator[Module]:
    """All modules of the five packages."""
    for package in PACKAGES:
        yield from modules(package)


def imports_between(module: Module) -> Iterator[str]:
    """The modules of this project that a module imports."""
    known = {other.name for other in product()}
    for name in module.imports:
        if name in known and name != module.name:
            yield name


def upward_imports() -> list[str]:
    """Imports of a package, or of a floor inside the own package, that is not below the importing one."""
    wrong = []
    for module in product():
        package, *inside = module.name.split(".")
        for name in sorted(imports_between(module)):
            other, *there = name.split(".")
            if other != package:
                if other not in PACKAGES_BELOW[package]:
                    wrong.append(f"{module.path} imports {name}")
            elif inside and there and there[0] != inside[0]:
                floors = FLOORS[package]
                unknown = [floor for floor in (inside[0], there[0]) if floor not in floors]
                if unknown or floors.index(there[0]) > floors.index(inside[0]):
                    wrong.append(f"{module.path} imports {name}")
    return wrong


def import_cycles() -> list[list[str]]:
    """Groups of modules that import one another (strongly connected components, Tarjan 1972)."""
    graph = {module.name: sorted(imports_between(module)) for module in product()}
    return [sorted(group) for group in _components(graph) if len(group) > 1]


def _components(graph: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> Iterator[list[str]]:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph[node]:
            if target not in index:
                yield from visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            yield group

    for node in graph:
        if node not in index:
            yield from visit(node)


def files_per_folder() -> Counter[str]:
    """Modules in each folder of packages and tests; a folder's own `__init__.py` does not count."""
    every = [*product(), *modules("tests")]
    return Counter(str(Path(m.path).parent) for m in every if not m.path.endswith("__init__.py"))


def long_files(limit: int = 400) -> list[str]:
    """Files with more lines than the limit."""
    return [f"{m.path}: {m.lines}" for m in [*product(), *modules("tests")] if m.lines > limit]


def long_functions(limit: int = 60) -> list[str]:
    """Functions with more lines than the limit, signature and docstring included."""
    return [
        f"{module.path}:{node.lineno} {node.name}: {length}"
        for module in [*product(), *modules("tests")]
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > limit
    ]


def names_with_two_meanings() -> dict[str, list[str]]:
    """Public class names that more than one module of the product defines."""
    where: dict[str, list[str]] = defaultdict(list)
    for module in product():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(module.path)
    return {name: paths for name, paths in where.items() if len(paths) > 1}


def importers(library: str) -> list[str]:
    """Paths of the product's modules that import a library."""
    return [
        module.path
        for module in product()
        if any(name == library or name.startswith(f"{library}.") for name in module.imports)
    ]


def unformatted_files() -> list[str]:
    """Files that `ruff format` would change."""
    done = _run("ruff", "format", "--check", ".")
    return [line.removeprefix("Would reformat: ") for line in done.splitlines() if line.startswith("Would")]


def unreached_definitions() -> list[str]:
    """Definitions that the product never uses (vulture; exceptions with reasons in pyproject.toml)."""
    return [line for line in _run("vulture").splitlines() if line]


def _run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert not done.stderr.strip(), done.stderr
    return done.stdout
