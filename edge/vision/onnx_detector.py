"""The detector interface on ONNX Runtime; the only module that imports onnxruntime.

A bundle is read, inspected, compared with its own description and run once on a grey image before it counts
as loaded. Several threads may use it, as they may a session of ONNX Runtime. Every call of the runtime has a
time limit (`edge.vision.time_limits`). It uses neither disk nor network after loading.
"""

import base64
import contextlib
import hashlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edge.errors import BundleRefused, DetectorError
from edge.vision.detections import Detections, Floats
from edge.vision.detector import BUNDLE_REMEDY, Image, Letterbox, decode, describe, letterbox, roi_align
from edge.vision.onnx_file import refuse_unsafe
from edge.vision.providers import (
    RUNTIME_NAMES,
    GrantedProvider,
    granted_of,
    preference_of,
    runtime_providers,
)
from edge.vision.time_limits import TimeLimits
from messaging.errors import FileFault
from messaging.releases import BundleDescription, ExecutionProvider
from messaging.runtime.binary_files import HEAD_BYTES, placeholder_of
from messaging.runtime.text_files import read_bytes

logger = logging.getLogger(__name__)

# MaxPool over (1, 3, 8, 8), which every execution provider computes.
_ONE_LAYER = (
    "CAg6ZQomCgF4EgF5IgdNYXhQb29sKhUKDGtlcm5lbF9zaGFwZUACQAKgAQcSAWdaGwoBeBIWChQIARIQCgIIAQoCCAMKAggICgIICGIbCgF5"
    "EhYKFAgBEhAKAggBCgIIAwoCCAcKAggHQgQKABAR"
)
MAX_BUNDLE_BYTES = 256 * 1024 * 1024
_REASON_LENGTH = 200
_RECENT_IMAGES = 2


class OnnxDetector:
    """A detector bundle on ONNX Runtime; implements `edge.vision.detector.Detector`."""

    def __init__(
        self,
        bundle: Path | bytes,
        *,
        providers: Sequence[ExecutionProvider] = (),
        threads: int = 1,
        limits: TimeLimits | None = None,
    ) -> None:
        """Load a bundle.

        Args:
            bundle: the file, or its bytes.
            providers: execution providers in order of preference; none: all that the runtime has.
            threads: threads of one inference.
            limits: how long the model may take.

        Raises:
            BundleRefused: the file is unreadable, not self-contained, breaks the contract, or none of the
                providers can be used.
        """
        origin = str(bundle) if isinstance(bundle, Path) else f"bundle of {len(bundle)} bytes"
        content = _read(bundle, origin)
        refuse_unsafe(content, origin)
        self._digest = hashlib.sha256(content).hexdigest()
        self._limits = limits or TimeLimits()
        opening = self._limits.watch.begin(self._digest, self._limits.load_s)
        try:
            self._session, self._provider = _session(content, origin, providers, threads)
        finally:
            self._limits.watch.end(opening)
        self._description = describe(_metadata(self._session, origin), origin)
        self._input = _check_contract(self._session, self._description, origin)
        self._recent: tuple[tuple[Image, _Inference], ...] = ()
        self._try_once(origin)
        if self._provider.fallback:
            logger.warning(
                "detector %s (%s) runs on %s", self.description.name, self.digest[:12], self.provider
            )

    @property
    def provider(self) -> GrantedProvider:
        """The execution provider that it runs on, and the one that was preferred."""
        return self._provider

    @property
    def description(self) -> BundleDescription:
        """The bundle's own description."""
        return self._description

    @property
    def digest(self) -> str:
        """sha256 hex of the bundle file."""
        return self._digest

    def detect(self, images: Sequence[Image], *, floor: float | None = None) -> list[Detections]:
        """One `Detections` per image, in its own pixels; see `edge.vision.detector.Detector`."""
        seen, results = [], self._infer(images)
        if len(images) == 1:
            self._recent = ((images[0], results[0]), *self._recent[: _RECENT_IMAGES - 1])
        for result in results:
            found = decode(result.boxes, result.fit, self._description, floor)
            seen.append(replace(found, embedding=self._pool(result, found.xyxy)))
        return seen

    def embed(self, image: Image, xyxy: Floats) -> Floats:
        """Embeddings (n, d) pooled at given boxes (n, 4) in pixels of the image.

        The images that were detected last by themselves need no second inference.
        """
        for recent, result in self._recent:
            if recent is image:
                return self._pool(result, xyxy)
        return self._pool(self._infer([image])[0], xyxy)

    def _pool(self, result: "_Inference", xyxy: Floats) -> Floats:
        return roi_align(result.features, result.fit.to_input(xyxy), self._description.feature_stride)

    def _infer(self, images: Sequence[Image]) -> list["_Inference"]:
        if not images:
            return []
        width, height = self._description.input_width, self._description.input_height
        blobs = np.empty((len(images), 3, height, width), np.float32)
        fits = [letterbox(i, width, height, out=blob)[1] for i, blob in zip(images, blobs, strict=True)]
        boxes, features = self._run(blobs)
        return [_Inference(b, f, fit) for b, f, fit in zip(boxes, features, fits, strict=True)]

    def _run(self, blob: Floats, limit_s: float | None = None) -> tuple[Floats, Floats]:
        wanted = [self._description.boxes_output, self._description.features_output]
        limit_s = limit_s or self._limits.inference_s * len(blob)
        options = ort.RunOptions()
        call = self._limits.watch.begin(self._digest, limit_s, options)
        try:
            boxes, features = self._session.run(wanted, {self._input: blob}, options)
        except Exception as error:  # onnxruntime's errors have no common base but Exception
            reason = f"did not return within {limit_s:g} s" if call.late else f"failed: {_reason(error)}"
            raise DetectorError(
                f"detector {self._description.name} ({self._digest[:12]}) {reason}"
            ) from error
        finally:
            self._limits.watch.end(call)
        if not all(isinstance(o, np.ndarray) and o.dtype == np.float32 for o in (boxes, features)):
            raise DetectorError(
                f"detector {self._description.name} ({self._digest[:12]}) returned outputs that are not "
                "float32"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(features).all()):
            raise DetectorError(
                f"detector {self._description.name} ({self._digest[:12]}) returned non-finite numbers"
            )
        return boxes, features

    def _try_once(self, origin: str) -> None:
        bundle = self._description
        blob = np.full((1, 3, bundle.input_height, bundle.input_width), 0.5, np.float32)
        try:
            boxes, features = self._run(blob, self._limits.load_s)
        except DetectorError as error:
            raise BundleRefused(f"{origin} loads but does not run: {error}") from error
        grid = (bundle.input_height // bundle.feature_stride, bundle.input_width // bundle.feature_stride)
        if boxes.ndim != 3 or boxes.shape[:2] != (1, 4 + len(bundle.class_names)) or not boxes.shape[2]:
            raise BundleRefused(
                f"{origin}: output {bundle.boxes_output!r} has shape {boxes.shape}; the description "
                f"promises (1, {4 + len(bundle.class_names)}, anchors)"
            )
        if features.shape != (1, bundle.embedding_width, *grid):
            raise BundleRefused(
                f"{origin}: output {bundle.features_output!r} has shape {features.shape}; the description "
                f"promises {(1, bundle.embedding_width, *grid)}"
            )


@dataclass(frozen=True)
class _Inference:
    """One image's raw outputs and how it was fitted."""

    boxes: Floats
    features: Floats
    fit: Letterbox


def _read(bundle: Path | bytes, origin: str) -> bytes:
    try:
        content = read_bytes(bundle, limit_bytes=MAX_BUNDLE_BYTES) if isinstance(bundle, Path) else bundle
    except FileFault as fault:
        raise BundleRefused(f"detector bundle {fault}") from None
    placeholder = placeholder_of(content[:HEAD_BYTES])
    if placeholder is not None:
        raise BundleRefused(f"{origin} {placeholder}")
    return content


def granted_provider(providers: Sequence[ExecutionProvider]) -> GrantedProvider:
    """The provider that a model would run on, tried with a model of one layer. Raises `BundleRefused`."""
    return _session(base64.b64decode(_ONE_LAYER), "a model of one layer", providers, 1)[1]


def _session(
    content: bytes, origin: str, providers: Sequence[ExecutionProvider], threads: int
) -> tuple[ort.InferenceSession, GrantedProvider]:
    available = ort.get_available_providers()
    preference = preference_of(providers, available)
    wanted = runtime_providers(preference, available, threads)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the runtime prints why a provider cannot be used
            if RUNTIME_NAMES[ExecutionProvider.CUDA] in available:
                ort.preload_dlls()
            session = ort.InferenceSession(content, options, providers=wanted)
    except Exception as error:  # onnxruntime's errors have no common base but Exception
        raise BundleRefused(
            f"{origin} is refused by ONNX Runtime {ort.__version__} ({_reason(error)}); it may be damaged, "
            f"or of a later version of ONNX: {BUNDLE_REMEDY}"
        ) from error
    return session, granted_of(preference, session.get_providers())


def _metadata(session: ort.InferenceSession, origin: str) -> dict[str, str]:
    try:
        metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
    except Exception as error:  # the text is decoded in the runtime, whose errors have no common base
        raise BundleRefused(f"{origin}: its metadata cannot be read ({_reason(error)})") from error
    return metadata


def _reason(error: Exception) -> str:
    """The first line of a runtime's message, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return lines[0].strip()[:_REASON_LENGTH] if lines else type(error).__name__


def _check_contract(session: ort.InferenceSession, bundle: BundleDescription, origin: str) -> str:
    """Compare inputs and outputs with the description; returns the input's name."""
    inputs, outputs = session.get_inputs(), [o.name for o in session.get_outputs()]
    wanted = [3, bundle.input_height, bundle.input_width]
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or list(inputs[0].shape[1:]) != wanted:
        raise BundleRefused(
            f"{origin}: its input is {[(i.name, i.type, i.shape) for i in inputs]}; the description promises "
            f"one float input of shape (n, {', '.join(map(str, wanted))})"
        )
    for name in (bundle.boxes_output, bundle.features_output):
        if name not in outputs:
            raise BundleRefused(f"{origin} has no output {name!r}; its outputs are {', '.join(outputs)}")
    return str(inputs[0].name)
