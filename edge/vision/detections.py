"""The detections of one frame: boxes, confidences, classes and embeddings, in one value type.

Coordinates are pixels of the original frame, origin top left. A detector whose inference fails raises
`DetectorError`; `Detections.empty()` means that it found nothing. Pure numpy.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
_COLUMNS = ("xyxy", "confidence", "class_id", "runner_up", "embedding")


@dataclass(frozen=True)
class Detections:
    """Boxes on one frame, in no particular order.

    Attributes:
        xyxy: (n, 4) float32, pixels, x1 < x2 and y1 < y2.
        confidence: (n,) float32 in [0, 1], score of the winning class.
        class_id: (n,) int64, index into the bundle's class names.
        runner_up: (n,) float32, score of the second-best class of the same box (0 with one class).
        embedding: (n, d) float32, pooled from the bundle's frozen feature map; d is 0 when not asked for.
    """

    xyxy: Floats
    confidence: Floats
    class_id: Ints
    runner_up: Floats
    embedding: Floats

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        if self.xyxy.shape != (n, 4) or self.embedding.ndim != 2:
            raise ValueError(
                f"xyxy must be (n, 4) and embedding (n, d); got {self.xyxy.shape}, {self.embedding.shape}"
            )
        for name in _COLUMNS:
            if len(getattr(self, name)) != n:
                raise ValueError(f"{name} must have {n} rows like xyxy; got {len(getattr(self, name))}")

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64] | slice) -> "Detections":
        """The chosen rows as a new value; a single integer is not a row choice."""
        return Detections(*(getattr(self, name)[rows] for name in _COLUMNS))

    @classmethod
    def empty(cls, embedding_width: int = 0) -> "Detections":
        """FrameResult, and saw nothing."""
        return cls.of(np.zeros((0, 4)), embedding=np.zeros((0, embedding_width)))

    @classmethod
    def of(
        cls,
        xyxy: npt.ArrayLike,
        confidence: npt.ArrayLike = (),
        class_id: npt.ArrayLike = (),
        *,
        runner_up: npt.ArrayLike | None = None,
        embedding: npt.ArrayLike | None = None,
    ) -> "Detections":
        """Build from anything array-like; missing runner-ups are 0, missing embeddings have width 0."""
        boxes = np.asarray(xyxy, np.float32).reshape(-1, 4)
        n = len(boxes)
        return cls(
            boxes,
            np.asarray(confidence, np.float32).reshape(-1),
            np.asarray(class_id, np.int64).reshape(-1),
            np.zeros(n, np.float32) if runner_up is None else np.asarray(runner_up, np.float32),
            np.zeros((n, 0), np.float32) if embedding is None else np.asarray(embedding, np.float32),
        )


def iou_matrix(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every box of `a` (n, 4) with every box of `b` (m, 4), xyxy; (n, m)."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    sides = np.maximum(sides, 0)
    overlap = sides[..., 0] * sides[..., 1]
    union = _areas(a)[:, None] + _areas(b)[None, :] - overlap
    return np.asarray(overlap / np.maximum(union, 1e-9), np.float32)


def iou(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes (4,), xyxy: for one pair numpy's calls take longer."""
    left_a, top_a, right_a, bottom_a = a.tolist()
    left_b, top_b, right_b, bottom_b = b.tolist()
    width, height = min(right_a, right_b) - max(left_a, left_b), min(bottom_a, bottom_b) - max(top_a, top_b)
    if width <= 0 or height <= 0:
        return 0.0
    both = (right_a - left_a) * (bottom_a - top_a) + (right_b - left_b) * (bottom_b - top_b)
    return float(width * height / (both - width * height))


def _areas(xyxy: Floats) -> Floats:
    sides = xyxy[:, 2:] - xyxy[:, :2]
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def non_maximum_suppression(xyxy: Floats, confidence: Floats, class_id: Ints, iou: float) -> Ints:
    """Greedy NMS within each class; returns the kept row indices, best first."""
    order = np.argsort(-confidence, kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        same = class_id[order] == class_id[best]
        if same.any():
            overlaps = iou_matrix(xyxy[best : best + 1], xyxy[order])[0] > iou
            order = order[~(same & overlaps)]
    return np.asarray(kept, np.int64)
