"""Training crops: a patch with its hazard, the same patch without it, its mask, class and conditions.

A crop is cut exactly as production cuts its patches (`synth.planning.patches`). Its target is the empty image
with the hazard inside the mask only, so that glow outside the mask gives no hint of it. Images are BGR uint8;
boxes are pixels of the 64 px patch. Nothing here imports torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from messaging.taxonomy import Condition, SizeBin
from synth.planning.patches import Box, Image, PatchWindow, inpainting_mask, patch_window
from synth.planning.prompts import Medium
from synth.small_sd.work_files import reading, replacing
from synth.street.values import DrawnFrame

PATCH_PX = 64
NO_CLASS = ""
MASK_GROWTHS = (0.03, 0.15)
_MIN_SIDE_PX = 7.0
_LIT_LEVELS = 5.0


@dataclass(frozen=True, eq=False)
class CropSet:
    """n crops as arrays.

    Attributes:
        hazard: (n, 64, 64, 3) uint8 BGR, with the hazard inside the mask; equals `empty` where there is none.
        empty: (n, 64, 64, 3) uint8 BGR, the same street without it.
        has_empty: (n,) bool; False where no image without the hazard exists (photographs).
        mask: (n, 64, 64) bool.
        class_name: (n,) str, `NO_CLASS` where there is no hazard.
        condition: (n,) str, `Condition.key`.
        size: (n,) str, `SizeBin` of the box in its image.
        medium: (n,) str, `Medium`.
        embedding: (n, 64) float32 unit vectors of the box by a detector's frozen layers, zeros if unknown.
    """

    hazard: NDArray[np.uint8]
    empty: NDArray[np.uint8]
    has_empty: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    class_name: NDArray[np.str_]
    condition: NDArray[np.str_]
    size: NDArray[np.str_]
    medium: NDArray[np.str_]
    embedding: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.hazard)

    def save(self, path: Path) -> None:
        """Write as one npz file, replacing the last one."""
        with replacing(path) as draft:
            np.savez(draft, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "CropSet":
        """Read what `save` wrote. Raises `SynthesisError`."""
        with reading(path), path.open("rb") as file, np.load(file) as arrays:
            return cls(**{f.name: arrays[f.name] for f in fields(cls)})

    @classmethod
    def join(cls, parts: Sequence["CropSet"]) -> "CropSet":
        """One set after another."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


@dataclass(frozen=True, eq=False)
class Crop:
    """One row of a `CropSet`."""

    hazard: Image
    empty: Image
    has_empty: bool
    mask: NDArray[np.bool_]
    class_name: str
    condition: Condition
    size: SizeBin
    medium: Medium
    embedding: NDArray[np.float32]


def stack(crops: Sequence[Crop]) -> CropSet:
    """One set of these crops."""
    return CropSet(
        np.stack([c.hazard for c in crops]),
        np.stack([c.empty for c in crops]),
        np.asarray([c.has_empty for c in crops]),
        np.stack([c.mask for c in crops]),
        np.asarray([c.class_name for c in crops], "U24"),
        np.asarray([c.condition.key for c in crops], "U16"),
        np.asarray([c.size for c in crops], "U8"),
        np.asarray([c.medium for c in crops], "U12"),
        np.stack([c.embedding for c in crops]).astype(np.float32),
    )


def size_bin(xyxy: Box, width: int, height: int) -> SizeBin:
    """Size bin of a box (pixels): longer box side over longer image side (`messaging.taxonomy.SizeBin`)."""
    fraction = max(xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]) / max(width, height)
    for limit, name in ((0.04, SizeBin.TINY), (0.10, SizeBin.SMALL), (0.25, SizeBin.MEDIUM)):
        if fraction < limit:
            return name
    return SizeBin.LARGE


def random_window(xyxy: Box, width: int, height: int, rng: np.random.Generator) -> PatchWindow:
    """A patch window around a box: 1.5 to 3 box sides, the box off centre by up to a third of the margin."""
    shift = rng.uniform(-0.33, 0.33, 2)
    return patch_window(
        xyxy, width, height, per_box=float(rng.uniform(1.5, 3.0)), shift=(float(shift[0]), float(shift[1]))
    )


def shrink(patch: NDArray[np.uint8]) -> Image:
    """A square cut resized to the patch side."""
    method = cv2.INTER_AREA if patch.shape[0] > PATCH_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(patch, (PATCH_PX, PATCH_PX), interpolation=method), np.uint8)


def alone(hazard: Image, empty: Image, mask: NDArray[np.bool_], *, luminous: bool) -> Image | None:
    """The empty patch with nothing but the hazard in it: its own glow, if it is `luminous`, fading out.

    The change in a ring around the mask measures how much light spills over. A hazard that is lit by another
    one gives None, because the two lights cannot be separated. The target must end where the hazard ends, or
    detectors learn lit squares.
    """
    change = np.abs(hazard.astype(np.float32) - empty).max(axis=2)
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(np.bool_) & ~mask
    spill = float(np.median(change[ring])) if ring.any() else 0.0
    if not luminous and spill > _LIT_LEVELS:
        return None
    if not luminous or spill <= 1.0:
        return np.where(mask[..., None], hazard, empty)
    weight = np.clip((change - 1.6 * spill) / (0.8 * spill + 12.0), 0.0, 1.0) * mask
    weight = cv2.GaussianBlur(np.maximum(weight, _fading(mask)), (3, 3), 0)[..., None]
    return np.asarray(empty + weight * (hazard.astype(np.float32) - empty) + 0.5, np.uint8)


def _fading(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 in the middle of the mask's box, falling to 0 at the ellipse within it."""
    ys, xs = np.nonzero(mask)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    across = (x - xs.mean()) / (np.ptp(xs) / 2 + 1)
    down = (y - ys.mean()) / (np.ptp(ys) / 2 + 1)
    return np.asarray(np.clip((1.0 - np.hypot(across, down)) / 0.5, 0.0, 1.0), np.float64)


def crops_of_pair(
    with_hazard: DrawnFrame, without: DrawnFrame, embeddings: NDArray[np.float32], rng: np.random.Generator
) -> list[Crop]:
    """A crop of every boxed hazard that is not tiny, in a random window; `embeddings` is (boxes, 64)."""
    height, width = without.image.shape[:2]
    crops: list[Crop] = []
    for box, embedding in zip(with_hazard.boxes, embeddings, strict=True):
        x1, y1, x2, y2 = box.xyxy
        if max(x2 - x1, y2 - y1) < _MIN_SIDE_PX:
            continue
        window = random_window(box.xyxy, width, height, rng)
        mask = inpainting_mask(
            window.to_patch(box.xyxy, PATCH_PX), PATCH_PX, growth=float(rng.uniform(*MASK_GROWTHS))
        )
        empty = shrink(window.cut(without.image))
        hazard = alone(shrink(window.cut(with_hazard.image)), empty, mask, luminous=box.class_name == "fire")
        if hazard is None:
            continue
        size = size_bin(box.xyxy, width, height)
        crops.append(
            Crop(hazard, empty, True, mask, box.class_name, without.condition, size, Medium.PHOTO, embedding)
        )
    return crops
