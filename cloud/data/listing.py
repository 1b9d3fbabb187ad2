"""What a dataset consists of: its images, its class names, and the boxes of each image; no pixels yet.

Every layout (YOLO folder, `data.yaml`, COCO, plain images) is read into a `Listing`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from cloud.data.boxes import NormalisedBox
from cloud.data.class_names import ClassMap
from cloud.data.file_trees import FileTree
from cloud.data.roles import DataRole
from edge.vision.image_files import IMAGE_SUFFIXES
from messaging.taxonomy import DEFAULT_TAXONOMY

EVERY_SPLIT = "all"


@dataclass(frozen=True)
class ReadingOptions:
    """How to read a dataset.

    Attributes:
        role: what it will be used for; None checks what holds for every role.
        classes: the classes of this deployment; None accepts every class.
        trained_classes: those of the detector to train; None does not ask.
        class_map: renames and drops classes.
        split: the split to read, or `all`.
        segments_as_boxes: read polygons as their bounding boxes.
        still_s: how long the newest file must not have changed, seconds.
    """

    role: DataRole | None = None
    classes: tuple[str, ...] | None = DEFAULT_TAXONOMY.names
    trained_classes: tuple[str, ...] | None = None
    class_map: ClassMap = field(default_factory=ClassMap)
    split: str | None = None
    segments_as_boxes: bool = False
    still_s: float = 0.0


@dataclass(frozen=True)
class ListedImage:
    """One image file. `labels` is the file that states its boxes, if any, `stated_px` the size it states."""

    path: str
    labels: str | None = None
    split: str = ""
    stated_px: tuple[int, int] | None = None


@dataclass(frozen=True)
class Listing:
    """All images of a dataset.

    Attributes:
        tree: where the files are.
        layout: the layout in words.
        class_names: as written, in index order.
        names_in: the file that states them.
        images: the images that take part.
        other_images: image files that do not.
        boxes_of: reads the boxes of one image, recording faults.
        only_used_classes: whether a class without boxes is left out (COCO files list eighty).
    """

    tree: FileTree
    layout: str
    class_names: tuple[str, ...]
    names_in: str
    images: tuple[ListedImage, ...]
    other_images: tuple[str, ...] = ()
    boxes_of: Callable[[ListedImage], tuple[NormalisedBox, ...]] = lambda _: ()
    only_used_classes: bool = False


def is_image(path: str) -> bool:
    """Whether a path has the suffix of an image file."""
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES
