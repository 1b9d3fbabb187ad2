"""`blindspot models import` in an empty folder: the first model of a fleet, and a sentence per refusal."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cloud.campaigns.process_lock import sole_process
from cloud.cli.main import app
from cloud.detector.model_files import ModelFiles
from cloud.errors import AlreadyRunning, DataRefused, NotNow, WeightsRefused
from cloud.settings import DataFolder
from cloud.store.audit_store import AuditStore
from cloud.store.database import open_database
from cloud.store.lists.filters import AuditFilter
from messaging.blobs import digest_of
from messaging.errors import ConfigurationError
from messaging.releases import Channel
from messaging.runtime.quoting import sqlite_url
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.signing import Repository
from tests.support.cloud.checkpoints import random_network, save_checkpoint
from tests.support.edge.tiny_bundles import tiny_bundle, tiny_description

FOLDER = DataFolder(Path("blindspot-data"))


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.onnx").write_bytes(tiny_bundle())


def blindspot(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def refused(error: type[Exception], *arguments: str) -> str:
    """The sentence of a refused import, which leaves no model."""
    result = blindspot("models", "import", *arguments)
    assert isinstance(result.exception, error), result.output
    assert "\n" not in str(result.exception)
    assert not FOLDER.models.exists()
    return str(result.exception)


def test_an_imported_bundle_is_the_first_model_and_the_doctor_opens_it() -> None:
    blindspot("init")
    done = blindspot("models", "import", "own.onnx", "--config", "cloud.yaml", "--json")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed["digest"] == digest_of(tiny_bundle()) == ModelFiles(FOLDER.models).first
    assert printed["parity"] is None
    assert printed["description"]["class_names"] == ["fire", "smoke"]
    checks = json.loads(blindspot("doctor", "--config", "cloud.yaml", "--json").stdout)
    assert checks["imported detector"]["ok"]
    assert checks["imported detector"]["detail"] == "tiny: fire, smoke"
    assert "starting detector" not in checks


def test_another_import_before_the_first_start_replaces_the_first_model() -> None:
    other = tiny_bundle(tiny_description(name="other"))
    for content in (tiny_bundle(), other):
        Path("own.onnx").write_bytes(content)
        assert blindspot("models", "import", "own.onnx").exit_code == 0
    assert ModelFiles(FOLDER.models).first == digest_of(other)


def test_an_import_is_in_the_audit_log_with_the_first_model_before_and_after() -> None:
    contents = (tiny_bundle(), tiny_bundle(tiny_description(name="other")))
    for content in contents:
        Path("own.onnx").write_bytes(content)
        assert blindspot("models", "import", "own.onnx").exit_code == 0
    database = open_database(sqlite_url(FOLDER.store))
    second, first = AuditStore(database).entries(AuditFilter(), limit=9)
    database.close()
    imported = [digest_of(content) for content in contents]
    assert first.before is None
    assert first.after == {"digest": imported[0], "name": "tiny", "file": "own.onnx"}
    assert second.before == {"digest": imported[0]}
    assert second.after == {"digest": imported[1], "name": "other", "file": "own.onnx"}
    assert (second.action, second.object, second.status) == (
        "models import",
        f"model {imported[1][:12]}",
        200,
    )
    assert second.user.endswith("data-folder")


@pytest.mark.parametrize("size", ["0", "33", "640x", "640x384x3", "x", "8192", "640x30", "-64", "6 4"])
def test_an_input_size_that_is_none_is_one_sentence(size: str) -> None:
    assert "is no input size; give 640" in refused(ConfigurationError, "own.onnx", f"--input={size}")


def test_a_checkpoint_without_data_names_the_role_that_is_missing() -> None:
    save_checkpoint(Path("best.pt"), random_network("yolov8n"))
    assert "there are no data of role calibration" in refused(DataRefused, "best.pt")


def test_a_map_for_a_bundle_is_one_sentence() -> None:
    Path("map.yaml").write_text("fire: smoke\n")
    assert "is a finished bundle" in refused(WeightsRefused, "own.onnx", "--classes", "map.yaml")


def test_a_file_of_classes_that_is_no_map_is_one_sentence() -> None:
    Path("map.yaml").write_text("- fire\n")
    assert "does not map class names" in refused(DataRefused, "own.onnx", "--classes", "map.yaml")


def test_a_missing_file_is_one_sentence() -> None:
    assert "gone.onnx" in refused(WeightsRefused, "gone.onnx")


def test_starting_weights_and_an_import_contradict_each_other() -> None:
    Path("cloud.yaml").write_text("starting_weights: w.safetensors\n")
    assert "names w.safetensors as starting_weights" in refused(
        ConfigurationError, "own.onnx", "--config", "cloud.yaml"
    )


def test_nothing_is_imported_while_the_cloud_runs() -> None:
    FOLDER.root.mkdir()
    with sole_process(FOLDER):
        assert "another process runs the cloud" in refused(AlreadyRunning, "own.onnx")


def test_a_fleet_that_has_begun_keeps_its_detector() -> None:
    description = tiny_description(name="begun")
    Repository.create(FOLDER.releases).publish(
        ReleaseManifest.of(
            description, digest="a" * 64, length_bytes=9, channel=Channel.SERVICE, version=1,
            evaluation_digest=None, synthetic_set_digest=None,
        )
    )  # fmt: skip
    assert "runs begun (aaaaaaaaaaaa) already" in refused(NotNow, "own.onnx")
