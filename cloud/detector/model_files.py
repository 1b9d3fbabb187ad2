"""Weights files and bundles of all models of this cloud: `models/DIGEST/`, by the bundle's digest.

Campaigns train from the weights file, sites run the bundle; both are kept so that any release can be the
parent of the next. Files are copied once and never changed.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from cloud.detector.weights import BUNDLE_FILE, WEIGHTS_FILE
from cloud.errors import NotKnown, WeightsRefused
from cloud.module_runs import run_module
from edge.vision.onnx_detector import OnnxDetector
from messaging.blobs import digest_of
from messaging.runtime.atomic_files import write_atomically


class ModelFiles:
    """The models of one data folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def bundle(self, digest: str) -> Path:
        """A model's bundle. Raises `NotKnown`."""
        return self._file(digest, BUNDLE_FILE)

    def weights(self, digest: str) -> Path:
        """A model's weights file. Raises `NotKnown`."""
        return self._file(digest, WEIGHTS_FILE)

    def keep(self, weights: Path, bundle: Path) -> str:
        """Copy both under the bundle's digest, which is returned; repeating it changes nothing."""
        digest = digest_of(bundle.read_bytes())
        target = self._root / digest
        if not target.exists():
            draft = self._root / f".{digest}"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            shutil.copyfile(weights, draft / WEIGHTS_FILE)
            shutil.copyfile(bundle, draft / BUNDLE_FILE)
            draft.rename(target)
        return digest

    def export(self, weights: Path, stopping: Callable[[], bool] = lambda: False) -> str:
        """Export a bundle in a process of its own and keep it with its weights; returns its digest."""
        if not weights.is_file():
            raise WeightsRefused(f"weights file {weights} does not exist; give the path of a weights file")
        marker = self._root / f"exported-{digest_of(weights.read_bytes())}"
        if marker.exists() and (self._root / marker.read_text()).exists():
            return marker.read_text()
        bundle = self._root / "export" / BUNDLE_FILE
        run_module(
            "cloud.detector.bundle_export",
            [str(weights.absolute()), str(bundle.absolute())],
            log_path=self._root / "export.log",
            stopping=stopping,
        )
        digest = self.keep(weights, bundle)
        write_atomically(marker, digest.encode())
        return digest

    def detector(self, digest: str) -> OnnxDetector:
        """A model's bundle, loaded as sites load it. Raises `NotKnown`."""
        return OnnxDetector(self.bundle(digest))

    def _file(self, digest: str, name: str) -> Path:
        path = self._root / digest / name
        if not path.is_file():
            raise NotKnown(
                f"model {digest[:12]} has no {name} in {self._root}; was it released by this cloud?"
            )
        return path
