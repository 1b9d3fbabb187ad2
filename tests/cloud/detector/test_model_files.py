"""The models of a cloud: kept once under the digest of their bundle, exported once per weights file."""

from pathlib import Path

import pytest

from cloud.detector import model_files
from cloud.detector.model_files import ModelFiles
from cloud.errors import NotKnown, WeightsRefused
from messaging.blobs import digest_of
from messaging.errors import StateFileBroken


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "w.safetensors").write_bytes(b"tensors")
    return tmp_path / "w.safetensors"


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The weights files that were exported; an export writes a bundle of their bytes."""
    done: list[str] = []

    def export(module: str, arguments: list[str], **_: object) -> None:
        assert module == "cloud.detector.bundle_export"
        source, bundle = map(Path, arguments)
        done.append(source.name)
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_bytes(b"bundle of " + source.read_bytes())

    monkeypatch.setattr(model_files, "run_module", export)
    return done


def test_a_model_is_kept_under_the_digest_of_its_bundle(tmp_path: Path, weights: Path) -> None:
    bundle = tmp_path / "model.onnx"
    bundle.write_bytes(b"bundle")
    models = ModelFiles(tmp_path / "models")
    digest = models.keep(weights, bundle)
    assert digest == digest_of(b"bundle")
    assert models.bundle(digest).read_bytes() == b"bundle"
    assert models.weights(digest).read_bytes() == b"tensors"


def test_keeping_a_model_again_leaves_its_files_as_they_are(tmp_path: Path, weights: Path) -> None:
    bundle = tmp_path / "model.onnx"
    bundle.write_bytes(b"bundle")
    models = ModelFiles(tmp_path / "models")
    digest = models.keep(weights, bundle)
    weights.write_bytes(b"other tensors")
    assert models.keep(weights, bundle) == digest
    assert models.weights(digest).read_bytes() == b"tensors"


def test_a_copy_interrupted_halfway_is_made_again(tmp_path: Path, weights: Path) -> None:
    bundle = tmp_path / "model.onnx"
    bundle.write_bytes(b"bundle")
    half = tmp_path / "models" / f".{digest_of(b'bundle')}"
    half.mkdir(parents=True)
    (half / "weights.safetensors").write_bytes(b"ten")
    models = ModelFiles(tmp_path / "models")
    assert models.weights(models.keep(weights, bundle)).read_bytes() == b"tensors"


def test_a_weights_file_is_exported_once(tmp_path: Path, weights: Path, exports: list[str]) -> None:
    digest = ModelFiles(tmp_path / "models").export(weights)
    assert ModelFiles(tmp_path / "models").export(weights) == digest == digest_of(b"bundle of tensors")
    assert exports == ["w.safetensors"]


def test_a_model_that_was_removed_is_exported_again(
    tmp_path: Path, weights: Path, exports: list[str]
) -> None:
    models = ModelFiles(tmp_path / "models")
    digest = models.export(weights)
    for file in (models.bundle(digest), models.weights(digest)):
        file.unlink()
    (tmp_path / "models" / digest).rmdir()
    assert models.export(weights) == digest
    assert len(exports) == 2


def test_a_missing_weights_file_is_refused_before_any_export(tmp_path: Path, exports: list[str]) -> None:
    with pytest.raises(WeightsRefused, match="does not exist"):
        ModelFiles(tmp_path / "models").export(tmp_path / "gone.safetensors")
    assert exports == []


def test_an_unknown_model_is_refused_with_its_digest(tmp_path: Path) -> None:
    with pytest.raises(NotKnown, match=r"model abababababab has no model\.onnx"):
        ModelFiles(tmp_path / "models").bundle("ab" * 32)


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"abc", b"../../etc", b"\xff\xfe"])
def test_an_emptied_or_damaged_record_of_an_export_is_not_believed(
    tmp_path: Path, weights: Path, exports: list[str], content: bytes
) -> None:
    models = ModelFiles(tmp_path / "models")
    digest = models.export(weights)
    next((tmp_path / "models").glob("exported-*")).write_bytes(content)
    assert models.export(weights) == digest
    assert len(exports) == 2


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors"])
def test_an_emptied_model_file_is_copied_again_from_its_export(
    tmp_path: Path, weights: Path, exports: list[str], name: str
) -> None:
    models = ModelFiles(tmp_path / "models")
    digest = models.export(weights)
    (tmp_path / "models" / digest / name).write_bytes(b"")
    assert models.export(weights) == digest
    assert models.bundle(digest).read_bytes() == b"bundle of tensors"
    assert models.weights(digest).read_bytes() == b"tensors"


def test_a_damaged_bundle_is_refused_with_its_path_and_never_sent(
    tmp_path: Path, weights: Path, exports: list[str]
) -> None:
    models = ModelFiles(tmp_path / "models")
    digest = models.export(weights)
    path = tmp_path / "models" / digest / "model.onnx"
    path.write_bytes(b"bundle of ten")
    with pytest.raises(NotKnown, match=rf"{path} is damaged: .*restore it from a backup"):
        models.bundle(digest)


def test_a_bundle_without_weights_is_kept_and_named_as_what_it_is(tmp_path: Path) -> None:
    models = ModelFiles(tmp_path / "models")
    digest = models.keep_bundle(b"bundle")
    assert models.bundle(digest).read_bytes() == b"bundle"
    with pytest.raises(NotKnown, match=f"model {digest[:12]} was imported as an ONNX file"):
        models.weights(digest)


def test_weights_that_come_later_join_their_bundle(tmp_path: Path, weights: Path) -> None:
    models = ModelFiles(tmp_path / "models")
    digest = models.keep_bundle(b"bundle")
    (tmp_path / "model.onnx").write_bytes(b"bundle")
    assert models.keep(weights, tmp_path / "model.onnx") == digest
    assert models.weights(digest).read_bytes() == b"tensors"
    assert models.keep_bundle(b"bundle") == digest
    assert models.weights(digest).read_bytes() == b"tensors"


def test_the_first_model_is_remembered_until_another_is_imported(tmp_path: Path) -> None:
    assert ModelFiles(tmp_path / "models").first is None
    for digest in ("a" * 64, "b" * 64):
        ModelFiles(tmp_path / "models").set_first(digest)
        assert ModelFiles(tmp_path / "models").first == digest


def test_a_damaged_record_of_the_first_model_is_not_believed(tmp_path: Path) -> None:
    models = ModelFiles(tmp_path / "models")
    models.set_first("a" * 64)
    (tmp_path / "models" / "first_model.json").write_bytes(b"")
    with pytest.raises(StateFileBroken, match=r"first_model\.json is empty"):
        _ = models.first
