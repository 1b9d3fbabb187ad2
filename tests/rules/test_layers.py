"""Import layers: order of packages and of floors inside them, one place for each library."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from tests.rules.structure import ROOT, import_cycles, importers, modules, product, upward_imports

SHARED_EDGE = ("edge.vision", "edge.errors")
# Measures the evidence sources of edge on drawn streets, which edge must not import.
MEASURES_EDGE = (
    *("synth/experiments/evidence_precision.py", "synth/experiments/prototype_cosine.py"),
    "synth/experiments/edge_speed.py",
    "synth/experiments/teacher_bias.py",
)
PLACES = {
    "nats": {"messaging/nats/connection.py"},
    "cryptography": {"messaging/tls", "messaging/trust/keys.py"},
    "nkeys": {"messaging/nats/credentials.py"},
    "tuf": {
        *("messaging/trust/site_trust.py", "messaging/trust/signing.py"),
        *("messaging/trust/root_metadata.py", "messaging/trust/root_chain.py"),
        "messaging/trust/metadata_signatures.py",
    },
    "securesystemslib": {"messaging/trust/keys.py"},
    "uvicorn": {"messaging/runtime/http_server.py"},
    "onnxruntime": {"edge/vision/onnx_detector.py"},
    "diffusers": {"synth/generation", "synth/small_sd"},
    "torch": {
        *("synth/torch_device.py", "synth/generation", "synth/small_sd"),
        *("cloud/detector", "cloud/training"),
    },
    "ultralytics": {"cloud/detector/ultralytics"},
    "pwdlib": {"cloud/access/passwords.py"},
    "sqlalchemy": {"cloud/store", "cloud/migrations"},
    "alembic": {"cloud/store/database.py", "cloud/migrations"},
    "dbos": {"cloud/campaigns"},
    "fastapi": {"cloud/api", "dashboards/server.py", "dashboards/access"},
    "prometheus_client": {"messaging/monitoring/metric_set.py", "cloud/api/gauges.py", "cloud/demo/fleet.py"},
    "nicegui": {
        *(
            "dashboards/access/current.py",
            "dashboards/components",
            "dashboards/pages",
            "dashboards/server.py",
        ),
        *("dashboards/shell.py", "dashboards/page_view.py"),
    },
    "authlib": {"dashboards/access/oidc.py"},
    "opentelemetry": {"cloud/opentelemetry_spans.py"},
    "httpcore": {"cloud/integrations/http_client.py"},
    "paho": {"cloud/integrations/mqtt_client.py"},
    "typer": {"cloud/cli", "edge/cli.py"},
}
EDGE_NEVER = {"torch", "ultralytics", "diffusers", "transformers"}


def test_a_module_imports_only_what_is_below_it() -> None:
    assert not upward_imports()


def test_no_modules_import_one_another() -> None:
    assert not import_cycles()


@pytest.mark.parametrize("package", ["synth", "cloud"])
def test_synth_and_cloud_import_only_the_vision_part_of_edge(package: str) -> None:
    wrong = [
        f"{module.path} imports {name}"
        for module in modules(package)
        for name in module.imports
        if name.startswith("edge.") and not name.startswith(SHARED_EDGE) and module.path not in MEASURES_EDGE
    ]
    assert not wrong


def test_the_gate_imports_nothing_of_the_node() -> None:
    wrong = [
        f"{module.path} imports {name}"
        for module in modules("edge")
        if module.path.startswith("edge/gate/")
        for name in module.imports
        if name.startswith("edge.") and not name.startswith(("edge.gate", "edge.errors"))
    ]
    assert not wrong


@pytest.mark.parametrize("library", sorted(PLACES))
def test_each_heavy_library_has_one_place(library: str) -> None:
    found = importers(library)
    assert found, f"nothing imports {library}; remove its row"
    wrong = [p for p in found if not any(p == at or p.startswith(f"{at}/") for at in PLACES[library])]
    assert not wrong


EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def _requirements(extra: str) -> list[str]:
    """The requirements of an extra, those of the extras that it includes among them."""
    lines = []
    for line in EXTRAS[extra]:
        included = re.fullmatch(r"blindspot\[(.+)\]", line)
        lines += _requirements(included[1]) if included else [line]
    return lines


@pytest.mark.parametrize("extra", ["edge", "edge-openvino", "edge-gpu"])
def test_the_extras_of_the_edge_name_no_training_library(extra: str) -> None:
    assert not [line for line in _requirements(extra) for name in EDGE_NEVER if line.startswith(name)]


@pytest.mark.parametrize("extra", ["edge", "edge-openvino", "edge-gpu", "cloud", "cloud-gpu"])
def test_an_extra_has_one_package_of_the_runtime(extra: str) -> None:
    assert sum(line.startswith("onnxruntime") for line in _requirements(extra)) == 1


def test_every_module_of_the_edge_imports_with_torch_absent() -> None:
    names = [module.name for module in product() if module.name.startswith("edge")]
    script = (
        "import importlib, importlib.abc, sys\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name.split('.')[0] in {sorted(EDGE_NEVER)!r}: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"assert not set(sys.modules) & set({sorted(EDGE_NEVER)!r})\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, timeout=60)


def test_images_are_decoded_in_one_place() -> None:
    """`synth.sensor` decodes only what it encoded itself a line before."""
    decoders = {
        module.path
        for module in product()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"imread", "imdecode", "imreadmulti"}
    }
    assert decoders == {"edge/vision/image_files.py", "synth/sensor.py"}


def test_files_are_synced_in_one_place() -> None:
    """The tests of power cuts lose what was not synced there; a sync elsewhere would escape them."""
    syncing = {
        module.path
        for module in product()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"fsync", "fdatasync", "sync_file_range"}
    }
    assert syncing == {"messaging/runtime/atomic_files.py"}
