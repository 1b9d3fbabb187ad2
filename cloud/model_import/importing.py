"""Import of a detector: from a file to a bundle that a new fleet starts with.

    checkpoint  -> classes -> embedding basis -> thresholds -> bundle -> parity with ultralytics
    weights file-> classes -> (basis, if its input size changes) -> thresholds -> bundle -> parity
    ONNX file   -> as it is; it can serve, but not be retrained

Nothing is kept unless every step succeeds.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from cloud.data.datasets import DatasetRegister
from cloud.data.labelled_images import LabelledFile, LabelledImage, list_labelled
from cloud.data.roles import DataRole
from cloud.detector.box_features import box_features
from cloud.detector.bundle_export import bundle_bytes
from cloud.detector.checkpoints import read_checkpoint
from cloud.detector.embedding_basis import fit_basis
from cloud.detector.model_files import ModelFiles
from cloud.detector.ultralytics.architectures import architecture_of
from cloud.detector.ultralytics.network import EmbeddingDetector
from cloud.detector.weights import (
    BUNDLE_FILE,
    WEIGHTS_FILE,
    DetectorWeights,
    EmbeddingBasis,
    WeightsCard,
    half_exact,
    read_weights,
    tap_channels,
)
from cloud.errors import DataRefused, WeightsRefused
from cloud.model_import.bundle_file import CPU, read_bundle
from cloud.model_import.class_choice import ClassChoice, choose_classes
from cloud.model_import.parity import Parity, compare, refuse_difference
from cloud.training.calibration import FEWEST_TRUTHS, choose_thresholds
from edge.vision.onnx_detector import OnnxDetector
from messaging.releases import MAX_EMBEDDING
from messaging.taxonomy import Taxonomy

EMBEDDING_WIDTH = MAX_EMBEDDING  # what a generator that is trained with its prototypes takes
FEWEST_BOXES = 2 * EMBEDDING_WIDTH
MOST_IMAGES = 1000
FIRST_THRESHOLD = 0.25
CHECKPOINT_ENDINGS, WEIGHTS_ENDING, BUNDLE_ENDING = (".pt", ".pth"), ".safetensors", ".onnx"
Notify = Callable[[str], None]


@dataclass(frozen=True)
class ImportRequest:
    """What to import. `size` is the input (width, height) in pixels; without one, the file's own is kept."""

    file: Path
    name: str
    class_map: Mapping[str, str | None]
    size: tuple[int, int] | None


@dataclass(frozen=True)
class ImportedModel:
    """What was imported; `parity` is None for an ONNX file, which is used as it is."""

    digest: str
    bundle: OnnxDetector
    left_out: tuple[str, ...]
    parity: Parity | None


@dataclass(frozen=True)
class ModelImport:
    """Imports files into the models of a cloud, for its hazard classes and with its data."""

    taxonomy: Taxonomy
    datasets: DatasetRegister
    models: ModelFiles
    notify: Notify

    def run(self, request: ImportRequest) -> ImportedModel:
        """Import a file and keep the model. Raises `WeightsRefused` or `DataRefused`, and keeps nothing."""
        ending = request.file.suffix.lower()
        if ending == BUNDLE_ENDING:
            return self._bundle(request)
        if ending in (*CHECKPOINT_ENDINGS, WEIGHTS_ENDING):
            return self._network(request, from_weights=ending == WEIGHTS_ENDING)
        raise WeightsRefused(
            f"{request.file} is no detector that can be imported; give a checkpoint of ultralytics (.pt), "
            "a weights file (.safetensors) or a detector bundle (.onnx)"
        )

    def _bundle(self, request: ImportRequest) -> ImportedModel:
        if request.class_map or request.size:
            raise WeightsRefused(
                f"{request.file} is a finished bundle, whose classes and input size cannot be changed; "
                "leave out --classes and --input, or import the checkpoint (.pt)"
            )
        content = read_bundle(request.file, self.taxonomy.names)
        return ImportedModel(self.models.keep_bundle(content), OnnxDetector(content, providers=CPU), (), None)

    def _from_checkpoint(self, request: ImportRequest) -> tuple[DetectorWeights, ClassChoice]:
        """The network of a checkpoint, with an embedding basis fitted to data of role base."""
        checkpoint = read_checkpoint(request.file)
        choice = choose_classes(
            checkpoint.class_names, request.class_map, self.taxonomy.names, str(request.file)
        )
        width, height = request.size or (checkpoint.input_side, checkpoint.input_side)
        tensors = choice.applied_to(checkpoint.tensors)
        card = WeightsCard(
            name=request.name,
            class_names=choice.class_names,
            thresholds=dict.fromkeys(choice.class_names, FIRST_THRESHOLD),
            input_width=width,
            input_height=height,
            licence=checkpoint.licence,
            architecture=architecture_of(checkpoint.description, request.file),
            classes=tuple(self.taxonomy.hazard(name) for name in choice.class_names),
        )
        unfitted = np.eye(1, sum(tap_channels(tensors)), dtype=np.float32)
        weights = DetectorWeights(tensors, EmbeddingBasis(unfitted, np.zeros(1, np.float32), 1.0), card)
        return self._with_basis(weights), choice

    def _from_weights(self, request: ImportRequest) -> tuple[DetectorWeights, ClassChoice]:
        """The network of a weights file, with its own basis unless the input size changes."""
        read = read_weights(request.file)
        choice = choose_classes(
            read.card.class_names, request.class_map, self.taxonomy.names, str(request.file)
        )
        thresholds = [read.card.thresholds[read.card.class_names[output]] for output in choice.outputs]
        own_size = (read.card.input_width, read.card.input_height)
        width, height = request.size or own_size
        card = replace(
            read.card,
            name=request.name,
            class_names=choice.class_names,
            thresholds=dict(zip(choice.class_names, thresholds, strict=True)),
            input_width=width,
            input_height=height,
            calibrated_on=(),
            classes=tuple(self.taxonomy.hazard(name) for name in choice.class_names),
        )
        weights = replace(read, tensors=choice.applied_to(read.tensors), card=card)
        return (weights if (width, height) == own_size else self._with_basis(weights)), choice

    def _with_basis(self, weights: DetectorWeights) -> DetectorWeights:
        files = self._files(DataRole.BASE, "to fit the embedding to")
        boxes = sum(len(file.boxes) for file in files)
        if boxes < FEWEST_BOXES:
            raise DataRefused(
                f"the data of role base have {boxes} boxes, and an embedding of {EMBEDDING_WIDTH} numbers "
                f"is fitted to at least {FEWEST_BOXES}; add more with `blindspot data add FOLDER --role base`"
            )
        self.notify(f"fitting the embedding to boxes of {len(files)} images of role base")
        size = (weights.card.input_width, weights.card.input_height)
        vectors, groups = box_features(EmbeddingDetector(_stored(weights)), _opened(files), size)
        return replace(weights, basis=fit_basis(vectors, groups, width=EMBEDDING_WIDTH))

    def _network(self, request: ImportRequest, *, from_weights: bool) -> ImportedModel:
        """Read a network, choose thresholds, export, compare and keep."""
        files = self._files(DataRole.CALIBRATION, "to choose thresholds on")
        weights, choice = self._from_weights(request) if from_weights else self._from_checkpoint(request)
        self._note_rare_classes(choice.class_names, files)
        self.notify(f"choosing thresholds on {len(files)} images of role calibration")
        exported = OnnxDetector(bundle_bytes(_stored(weights)), providers=CPU)
        thresholds = choose_thresholds(exported, _opened(files))
        # in the order of a weights file, so that its export has the same digest
        stored = _stored(weights).with_card(thresholds=dict(sorted(thresholds.items())))
        self.notify(f"comparing the bundle with ultralytics' predict on the same {len(files)} images")
        content = bundle_bytes(stored)
        bundle = OnnxDetector(content, providers=CPU)
        parity = compare(bundle, weights, _opened(files))
        refuse_difference(parity, str(request.file))
        with tempfile.TemporaryDirectory() as draft:
            weights_file, bundle_file = Path(draft) / WEIGHTS_FILE, Path(draft) / BUNDLE_FILE
            stored.write(weights_file)
            bundle_file.write_bytes(content)
            digest = self.models.keep(weights_file, bundle_file)
        return ImportedModel(digest, bundle, choice.left_out, parity)

    def _files(self, role: DataRole, purpose: str) -> list[LabelledFile]:
        """Images of a role, every so many if there are over a thousand. Raises `DataRefused` without."""
        files = [file for folder in self.datasets.folders(role) for file in list_labelled(folder)]
        if not files:
            raise DataRefused(
                f"there are no data of role {role} {purpose}; add labelled images of public streets with "
                f"`blindspot data add FOLDER --role {role}`, then import again"
            )
        step = -(-len(files) // MOST_IMAGES)
        return list(islice(files, 0, None, step))

    def _note_rare_classes(self, names: Iterable[str], files: Iterable[LabelledFile]) -> None:
        boxes = [box.class_name for file in files for box in file.boxes]
        rare = [name for name in names if boxes.count(name) < FEWEST_TRUTHS]
        if rare:
            self.notify(
                f"note: {', '.join(rare)}: fewer than {FEWEST_TRUTHS} boxes of role calibration, so the "
                "threshold is not chosen but kept"
            )


def _stored(weights: DetectorWeights) -> DetectorWeights:
    """The weights as a weights file keeps them: kernels in half precision."""
    return replace(weights, tensors={name: half_exact(value) for name, value in weights.tensors.items()})


def _opened(files: Iterable[LabelledFile]) -> Iterator[LabelledImage]:
    return (file.open() for file in files)
