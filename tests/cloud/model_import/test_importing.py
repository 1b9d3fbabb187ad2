"""A detector is imported: classes, embedding, thresholds, bundle, and parity with ultralytics' predict."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud.data.datasets import DatasetRegister
from cloud.data.labelled_images import open_labelled
from cloud.data.roles import DataRole
from cloud.detector.bundle_export import bundle_bytes
from cloud.detector.checkpoints import read_checkpoint
from cloud.detector.model_files import ModelFiles
from cloud.detector.weights import read_weights
from cloud.errors import DataRefused, NotKnown, WeightsRefused
from cloud.model_import import importing
from cloud.model_import.importing import ImportedModel, ImportRequest, ModelImport
from cloud.model_import.parity import compare
from cloud.starting_detector import STARTING_WEIGHTS
from cloud.starting_detector.scenes import SceneSet, draw_folder
from edge.vision.onnx_detector import OnnxDetector
from messaging.taxonomy import DEFAULT_TAXONOMY
from synth.generation.generator import PROTOTYPE_WIDTH
from synth.generation.model_folder import BUNDLED_FOLDER
from synth.generation.model_format import PROTOTYPE_SPACE_FILE, prototype_space_of
from synth.street import DRAWN_CONDITIONS, WorldName
from tests.support.cloud.checkpoints import random_network, random_weights, save_checkpoint
from tests.support.edge.tiny_bundles import tiny_bundle

MAP = {"Fire": "fire", "car": "garbage"}
SIZE = (96, 64)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> DatasetRegister:
    folder = tmp_path_factory.mktemp("data")
    register = DatasetRegister(folder / "datasets")
    for role, count, seed in ((DataRole.BASE, 80, 910_000), (DataRole.CALIBRATION, 10, 920_000)):
        scenes = SceneSet(WorldName.BASE, DRAWN_CONDITIONS, count, seed, size=(160, 90))
        register.add(draw_folder(scenes, folder / role), role)
    return register


@pytest.fixture
def models(tmp_path: Path) -> ModelFiles:
    return ModelFiles(tmp_path / "models")


def imported(
    file: Path,
    datasets: DatasetRegister,
    models: ModelFiles,
    *,
    class_map: Mapping[str, str | None] = MAP,
    size: tuple[int, int] | None = SIZE,
) -> ImportedModel:
    work = ModelImport(DEFAULT_TAXONOMY, datasets, models, notify=lambda _: None)
    return work.run(ImportRequest(file, "mine", class_map, size))


SLOWER = [pytest.param(name, marks=pytest.mark.slow) for name in ("yolov8n", "yolo11s", "yolo12n", "yolov8m")]


@pytest.mark.parametrize("architecture", ["yolo26n", *SLOWER])
def test_a_checkpoint_becomes_a_bundle_that_detects_what_ultralytics_detects(
    tmp_path: Path, datasets: DatasetRegister, models: ModelFiles, architecture: str
) -> None:
    path = save_checkpoint(tmp_path / "best.pt", random_network(architecture))
    found = imported(path, datasets, models)
    assert found.parity is not None
    assert found.parity.holds
    assert found.parity.images == 10
    assert found.parity.boxes > 20
    assert found.parity.unmatched == 0
    assert found.parity.shift_px < 0.1
    description = found.bundle.description
    assert description.class_names == ("fire", "smoke", "garbage")
    assert (description.input_width, description.input_height) == SIZE
    assert description.embedding_width == importing.EMBEDDING_WIDTH
    assert set(description.thresholds) == set(description.class_names)
    kept = read_weights(models.weights(found.digest))
    assert kept.card.architecture == architecture
    assert models.bundle(found.digest).read_bytes() == bundle_bytes(kept)


def test_the_bundled_generator_takes_prototypes_of_the_starting_detector_but_not_of_an_import(
    tmp_path: Path, datasets: DatasetRegister, models: ModelFiles
) -> None:
    """Both spaces have 64 numbers; only the digest tells them apart."""
    own = prototype_space_of(BUNDLED_FOLDER / PROTOTYPE_SPACE_FILE)
    assert own == read_weights(STARTING_WEIGHTS).embedding_digest
    found = imported(save_checkpoint(tmp_path / "best.pt", random_network("yolov8n")), datasets, models)
    assert found.bundle.description.embedding_width == PROTOTYPE_WIDTH
    assert found.bundle.description.embedding_digest != own


def test_embeddings_separate_classes_and_have_a_median_length_of_1(
    tmp_path: Path, datasets: DatasetRegister, models: ModelFiles
) -> None:
    found = imported(save_checkpoint(tmp_path / "best.pt", random_network("yolov8n")), datasets, models)
    rows = [
        found.bundle.embed(image.image, np.asarray([box.xyxy for box in image.boxes], np.float32))
        for image in open_labelled(datasets.folders(DataRole.BASE)[0])
        if image.boxes
    ]
    assert 0.8 < np.median(np.linalg.norm(np.concatenate(rows), axis=1)) < 1.2


def test_a_weights_file_keeps_its_embedding_space_unless_the_input_changes(
    tmp_path: Path, datasets: DatasetRegister, models: ModelFiles
) -> None:
    weights = random_weights("yolov8n", ("smoke", "fire"))
    weights.write(tmp_path / "w.safetensors")
    same = imported(tmp_path / "w.safetensors", datasets, models, class_map={}, size=None)
    assert same.bundle.description.embedding_digest == weights.embedding_digest
    assert same.bundle.description.class_names == ("fire", "smoke")
    other = imported(tmp_path / "w.safetensors", datasets, models, class_map={}, size=(128, 64))
    assert other.bundle.description.embedding_width == importing.EMBEDDING_WIDTH


def test_a_bundle_serves_as_it_is_and_cannot_be_retrained(
    tmp_path: Path, datasets: DatasetRegister, models: ModelFiles
) -> None:
    (tmp_path / "m.onnx").write_bytes(tiny_bundle())
    found = imported(tmp_path / "m.onnx", datasets, models, class_map={}, size=None)
    assert models.bundle(found.digest).read_bytes() == tiny_bundle()
    assert found.parity is None
    with pytest.raises(NotKnown, match=r"imported as an ONNX file, which can serve but not be retrained"):
        models.weights(found.digest)


@pytest.mark.parametrize(("class_map", "size"), [(MAP, None), ({}, SIZE)])
def test_a_bundle_cannot_be_changed(
    tmp_path: Path,
    datasets: DatasetRegister,
    models: ModelFiles,
    class_map: Mapping[str, str | None],
    size: tuple[int, int] | None,
) -> None:
    (tmp_path / "m.onnx").write_bytes(tiny_bundle())
    with pytest.raises(WeightsRefused, match="is a finished bundle"):
        imported(tmp_path / "m.onnx", datasets, models, class_map=class_map, size=size)


def test_a_file_of_another_kind_is_one_sentence(
    tmp_path: Path, datasets: DatasetRegister, models: ModelFiles
) -> None:
    with pytest.raises(WeightsRefused, match=r"m\.engine is no detector that can be imported"):
        imported(tmp_path / "m.engine", datasets, models)


@pytest.mark.parametrize("missing", [DataRole.CALIBRATION, DataRole.BASE])
def test_missing_data_are_named_with_the_command_that_adds_them(
    tmp_path: Path, datasets: DatasetRegister, models: ModelFiles, missing: DataRole
) -> None:
    given = DatasetRegister(tmp_path / "datasets")
    for dataset in datasets.all():
        if dataset.role is not missing:
            given.add(dataset.folder, dataset.role)
    path = save_checkpoint(tmp_path / "best.pt", random_network("yolov8n"))
    with pytest.raises(DataRefused, match=f"there are no data of role {missing} .* --role {missing}`"):
        imported(path, given, models)
    assert not (tmp_path / "models").exists()


def test_too_few_boxes_for_an_embedding_are_counted(
    tmp_path: Path, datasets: DatasetRegister, models: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "FEWEST_BOXES", 100_000)
    path = save_checkpoint(tmp_path / "best.pt", random_network("yolov8n"))
    with pytest.raises(DataRefused, match=r"the data of role base have \d+ boxes, .* at least 100000"):
        imported(path, datasets, models)


def test_a_bundle_that_detects_something_else_is_refused_and_not_kept(
    tmp_path: Path, datasets: DatasetRegister, models: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(weights: object) -> bytes:
        other = random_weights("yolov8n", ("fire", "smoke", "garbage"))
        return bundle_bytes(replace(other, basis=weights.basis, card=weights.card))  # type: ignore[attr-defined]

    monkeypatch.setattr(importing, "bundle_bytes", damaged)
    path = save_checkpoint(tmp_path / "best.pt", random_network("yolov8n", seed=5))
    with pytest.raises(WeightsRefused, match="does not detect what ultralytics' predict does"):
        imported(path, datasets, models)
    assert not (tmp_path / "models").exists()


def test_a_detector_that_detects_nothing_is_refused(
    tmp_path: Path, datasets: DatasetRegister, models: ModelFiles
) -> None:
    """Two empty lists are equal, which shows nothing."""
    network = random_network("yolov8n")
    for scale in network.model[-1].cv3:
        scale[-1].bias.data -= 20
    with pytest.raises(WeightsRefused, match=r"detects nothing of confidence 0\.1 or more on 10 images"):
        imported(save_checkpoint(tmp_path / "best.pt", network), datasets, models)
    assert models.first is None
    assert not (tmp_path / "models").exists()


def test_parity_is_that_with_the_predict_of_a_checkpoint_opened_by_ultralytics(
    tmp_path: Path, datasets: DatasetRegister
) -> None:
    """The comparison runs ultralytics on tensors that we read; here ultralytics opens the file itself."""
    from ultralytics import YOLO

    names = ("fire", "smoke", "garbage")
    path = save_checkpoint(tmp_path / "best.pt", random_network("yolo26n", names))
    read = read_checkpoint(path)
    weights = random_weights("yolo26n", names)
    bundle = OnnxDetector(bundle_bytes(replace(weights, tensors=read.tensors)))
    images = list(open_labelled(datasets.folders(DataRole.CALIBRATION)[0]))[:6]
    assert compare(bundle, replace(weights, tensors=read.tensors), images).holds
    for labelled in images:
        theirs = (
            YOLO(path)
            .predict(
                labelled.image,
                imgsz=(64, 96),
                rect=False,
                conf=0.1,
                iou=0.6,
                max_det=3000,
                device="cpu",
                save=False,
            )[0]
            .boxes
        )
        ours = bundle.detect([labelled.image], floor=0.1)[0]
        real = theirs.xyxy[(theirs.xyxy[:, 2] > theirs.xyxy[:, 0]) & (theirs.xyxy[:, 3] > theirs.xyxy[:, 1])]
        assert len(ours) == len(real) > 0
        nearest = np.abs(ours.xyxy[:, None] - real.numpy()[None]).max(axis=2).min(axis=1)
        assert nearest.max() < 0.5
