"""Weights files and bundles of all models of this cloud: `models/DIGEST/`, by the bundle's digest.

Campaigns train from the weights file, sites run the bundle; both are kept so that any release can be the
parent of the next. Files are copied once and never changed.
"""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from cloud.detector.weights import BUNDLE_FILE, WEIGHTS_FILE
from cloud.errors import NotKnown, WeightsRefused
from cloud.module_runs import run_module
from edge.vision.onnx_detector import OnnxDetector
from messaging.blobs import digest_of
from messaging.reports import ExecutionProvider
from messaging.runtime.atomic_files import write_atomically


class ModelFiles:
    """The models of one data folder, run on execution providers by preference (none: the best there is)."""

    def __init__(self, root: Path, providers: Sequence[ExecutionProvider] = ()) -> None:
        self._root, self._providers = root, tuple(providers)

    def bundle(self, digest: str) -> Path:
        """A model's bundle. Raises `NotKnown`, also when the file is damaged."""
        path = self._file(digest, BUNDLE_FILE)
        if digest_of(path.read_bytes()) != digest:
            raise NotKnown(f"{path} is damaged: it is not the bundle {digest[:12]}; restore it from a backup")
        return path

    def weights(self, digest: str) -> Path:
        """A model's weights file. Raises `NotKnown`."""
        return self._file(digest, WEIGHTS_FILE)

    def keep(self, weights: Path, bundle: Path) -> str:
        """Copy both under the bundle's digest, which is returned; repeating it changes nothing."""
        digest = digest_of(_content(bundle))
        target = self._root / digest
        if not self._is_whole(target, digest):
            shutil.rmtree(target, ignore_errors=True)
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
        marker = self._root / f"exported-{digest_of(_content(weights))}"
        exported = marker.read_bytes().decode(errors="replace") if marker.exists() else ""
        if re.fullmatch(r"[0-9a-f]{64}", exported) and self._is_whole(self._root / exported, exported):
            return exported
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
        return OnnxDetector(self.bundle(digest), providers=self._providers)

    def _is_whole(self, folder: Path, digest: str) -> bool:
        """Whether both files are there and the bundle has the digest that names the folder."""
        bundle, weights = folder / BUNDLE_FILE, folder / WEIGHTS_FILE
        if not bundle.is_file() or not weights.is_file() or not weights.stat().st_size:
            return False
        return digest_of(bundle.read_bytes()) == digest

    def _file(self, digest: str, name: str) -> Path:
        path = self._root / digest / name
        if not path.is_file():
            raise NotKnown(
                f"model {digest[:12]} has no {name} in {self._root}; was it released by this cloud?"
            )
        return path


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsRefused(f"{path} cannot be read ({error.strerror}); give the path of a file") from None
