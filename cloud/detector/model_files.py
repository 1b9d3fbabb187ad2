"""Weights files and bundles of all models of this cloud: `models/DIGEST/`, by the bundle's digest.

Campaigns train from the weights file, sites run the bundle; both are kept so that any release can be the
parent of the next. A model that was imported as a bundle has no weights file. Files are copied once and never
changed. `models/first_model.json` names the imported model that a new fleet starts with.
"""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.detector.weights import BUNDLE_FILE, WEIGHTS_FILE
from cloud.errors import NotKnown, WeightsRefused
from cloud.module_runs import run_module
from edge.vision.onnx_detector import OnnxDetector
from messaging.blobs import digest_of
from messaging.releases import ExecutionProvider
from messaging.runtime.atomic_files import move_folder, write_atomically
from messaging.runtime.state_files import StateFile


@dataclass(frozen=True)
class FirstModel:
    """What `first_model.json` records."""

    digest: str


class ModelFiles:
    """The models of one data folder, run on execution providers by preference (none: the best there is)."""

    def __init__(self, root: Path, providers: Sequence[ExecutionProvider] = ()) -> None:
        self._root, self._providers = root, tuple(providers)
        self._first = StateFile(root / "first_model.json", FirstModel)

    @property
    def first(self) -> str | None:
        """The digest of the imported model that a new fleet starts with; None if none was imported."""
        found = self._first.read()
        return None if found is None else found.digest

    def set_first(self, digest: str) -> None:
        """Let a new fleet start with this model."""
        self._first.write(FirstModel(digest))

    def bundle(self, digest: str) -> Path:
        """A model's bundle. Raises `NotKnown`, also when the file is damaged."""
        path = self._file(digest, BUNDLE_FILE)
        if digest_of(path.read_bytes()) != digest:
            raise NotKnown(f"{path} is damaged: it is not the bundle {digest[:12]}; restore it from a backup")
        return path

    def weights(self, digest: str) -> Path:
        """A model's weights file. Raises `NotKnown`, also for a model that was imported as a bundle."""
        bundle = self._root / digest / BUNDLE_FILE
        if bundle.is_file() and not (bundle.parent / WEIGHTS_FILE).exists():
            raise NotKnown(
                f"model {digest[:12]} was imported as an ONNX file, which can serve but not be retrained; "
                "start a new fleet with its checkpoint (.pt) or weights file to run campaigns"
            )
        return self._file(digest, WEIGHTS_FILE)

    def keep(self, weights: Path, bundle: Path) -> str:
        """Copy both under the bundle's digest, which is returned; repeating it changes nothing."""
        digest = digest_of(_content(bundle))
        if not self._is_whole(self._root / digest, digest):
            self._write(digest, {WEIGHTS_FILE: _content(weights), BUNDLE_FILE: _content(bundle)})
        return digest

    def keep_bundle(self, bundle: bytes) -> str:
        """Keep a bundle that has no weights file, under its digest, which is returned."""
        digest = digest_of(bundle)
        if not self._has_bundle(self._root / digest, digest):
            self._write(digest, {BUNDLE_FILE: bundle})
        return digest

    def export(self, weights: Path, stopping: Callable[[], bool] = lambda: False) -> str:
        """Export a bundle in a process of its own and keep it with its weights; returns its digest."""
        exported = self.exported(weights)
        if exported is not None:
            return exported
        bundle = self._root / "export" / BUNDLE_FILE
        run_module(
            "cloud.detector.bundle_export",
            [str(weights.absolute()), str(bundle.absolute())],
            log_path=self._root / "export.log",
            stopping=stopping,
        )
        digest = self.keep(weights, bundle)
        write_atomically(self._marker(weights), digest.encode())
        return digest

    def exported(self, weights: Path) -> str | None:
        """The digest of the bundle that `export` made of a weights file; None if it is not there."""
        if not weights.is_file():
            raise WeightsRefused(f"weights file {weights} does not exist; give the path of a weights file")
        marker = self._marker(weights)
        digest = marker.read_bytes().decode(errors="replace") if marker.exists() else ""
        whole = re.fullmatch(r"[0-9a-f]{64}", digest) and self._is_whole(self._root / digest, digest)
        return digest if whole else None

    def _marker(self, weights: Path) -> Path:
        return self._root / f"exported-{digest_of(_content(weights))}"

    def detector(self, digest: str) -> OnnxDetector:
        """A model's bundle, loaded as sites load it. Raises `NotKnown`."""
        return OnnxDetector(self.bundle(digest), providers=self._providers)

    def _write(self, digest: str, files: Mapping[str, bytes]) -> None:
        target, draft = self._root / digest, self._root / f".{digest}"
        for stale in (target, draft):
            shutil.rmtree(stale, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, content in files.items():
            (draft / name).write_bytes(content)
        move_folder(draft, target)

    def _is_whole(self, folder: Path, digest: str) -> bool:
        """Whether both files are there and the bundle has the digest that names the folder."""
        weights = folder / WEIGHTS_FILE
        return weights.is_file() and weights.stat().st_size > 0 and self._has_bundle(folder, digest)

    def _has_bundle(self, folder: Path, digest: str) -> bool:
        bundle = folder / BUNDLE_FILE
        return bundle.is_file() and digest_of(bundle.read_bytes()) == digest

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
