"""A dataset described: every image with its boxes, scene and condition, and every fault at once.

Reading changes nothing and decides nothing; `DatasetRegister.add` refuses a description that has faults,
`blindspot data check` prints it.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from cloud.data.boxes import NormalisedBox
from cloud.data.faults import DataFindings, Fault, some
from cloud.data.file_trees import FileTree
from cloud.data.formats.choice import list_dataset
from cloud.data.index_file import (
    CONDITION,
    INDEX,
    SCENE,
    SPLIT,
    IndexRow,
    condition_remedy,
    match_rows,
    parse_condition,
    parse_index,
    parse_scene,
    scene_of,
)
from cloud.data.listing import EVERY_SPLIT, ListedImage, Listing, ReadingOptions
from cloud.data.role_rules import check_role, check_trained_classes
from cloud.data.roles import DataRole
from edge.errors import ImageRefused
from edge.vision.conditions import frame_conditions
from edge.vision.image_files import decode_pixels, to_8_bit
from messaging.errors import FileFault
from messaging.runtime.text_files import decode_text
from messaging.taxonomy import Condition

LONGEST_SIDE_RATIO = 100
_DEEP = "images with 16 bits per channel, stretched to 8 bits when they are read"
_STRIPS = "images are strips, of which a detector detects nothing"


@dataclass(frozen=True)
class DescribedImage:
    """One image of a dataset.

    Attributes:
        path: its path in the dataset.
        name: its file name in the store, unique in the dataset.
        labels: the file that states its boxes; None if there is none.
        digest: sha256 hex of the file; empty if pixels were not read.
        width, height: pixels; 0 if pixels were not read or cannot be.
        boxes: its hazards.
        condition, scene: from the index, or from the name of the file.
    """

    path: str
    name: str
    labels: str | None
    digest: str
    width: int
    height: int
    boxes: tuple[NormalisedBox, ...]
    condition: Condition
    scene: str


@dataclass(frozen=True)
class DatasetDescription:
    """A dataset as it was read. `tree` still reads its files."""

    origin: str
    layout: str
    tree: FileTree | None
    class_names: tuple[str, ...]
    images: tuple[DescribedImage, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def boxes(self) -> Counter[tuple[str, str]]:
        """Number of boxes by class and condition."""
        return Counter((box.class_name, one.condition.key) for one in self.images for box in one.boxes)

    @property
    def conditions(self) -> Counter[str]:
        """Number of images by condition."""
        return Counter(image.condition.key for image in self.images)

    @property
    def scenes(self) -> tuple[str, ...]:
        """The scenes, sorted."""
        return tuple(sorted({image.scene for image in self.images}))


def describe(source: Path, options: ReadingOptions, *, with_pixels: bool = True) -> DatasetDescription:
    """Read a dataset; without pixels, images are neither opened nor compared."""
    findings = DataFindings()
    listing = list_dataset(source, options, findings)
    if listing is None:
        return DatasetDescription(
            str(source), "not read", None, (), (), tuple(findings.faults), findings.every_note
        )
    rows = _index_rows(listing, findings)
    chosen = _of_split(listing, rows, options, findings)
    names = _store_names([image.path for image in chosen], findings)
    boxes = {image.path: listing.boxes_of(image) for image in chosen}
    class_names, boxes = _mapped(listing, boxes, options, findings)
    images = [_described(image, names[image.path], boxes[image.path], rows, findings) for image in chosen]
    if with_pixels:
        measures_light = options.role is DataRole.BACKGROUND
        images = [_with_pixels(one, listing, findings, measures_light=measures_light) for one in images]
        _report_copies(images, findings)
    if listing.other_images:
        findings.note(f"{len(listing.other_images)} images do not take part: {some(listing.other_images)}")
    if options.trained_classes is not None:
        check_trained_classes(options.role, options.trained_classes, images, findings)
    check_role(options.role, listing.tree.origin, images, findings)
    listing.tree.report_changes(findings, options.still_s)
    return DatasetDescription(
        str(source), listing.layout, listing.tree, class_names, tuple(images),
        tuple(findings.faults), findings.every_note,
    )  # fmt: skip


def _index_rows(listing: Listing, findings: DataFindings) -> Mapping[str, IndexRow]:
    """The row of each image of the dataset, of whatever split."""
    odd = [path for path in listing.tree.paths if path.lower() == INDEX and path != INDEX]
    for path in odd:
        findings.fault(path, f"is not read: the index is called {INDEX}", "rename it")
    if INDEX not in listing.tree.paths:
        return {}
    try:
        text = decode_text(listing.tree.read(INDEX), origin=INDEX)
    except FileFault as error:
        findings.unreadable(INDEX, error)
        return {}
    wanted = [image.path for image in listing.images]
    return match_rows(parse_index(text, INDEX, findings), wanted, listing.other_images, findings)


def _of_split(
    listing: Listing, rows: Mapping[str, IndexRow], options: ReadingOptions, findings: DataFindings
) -> list[ListedImage]:
    """The images of the split that is asked for. Several splits and no choice are a fault for a role."""
    by_row = {path: row.values.get(SPLIT, "") for path, row in rows.items()}
    images = [replace(image, split=image.split or by_row.get(image.path, "")) for image in listing.images]
    counts = Counter(image.split for image in images)
    shown = ", ".join(f"{name or 'none'} ({count} images)" for name, count in sorted(counts.items()))
    wanted = options.split
    if not images and not findings.faults:
        findings.fault(listing.tree.origin, "holds no images", "put JPEG or PNG files under images/")
    if wanted in (None, EVERY_SPLIT):
        if len(counts) > 1 and wanted is None and options.role is not None:
            remedy = f"add one with --split, or all with --split {EVERY_SPLIT}"
            findings.fault(listing.tree.origin, f"has the splits {shown}", remedy)
        elif len(counts) > 1:
            findings.note(f"all splits are read: {shown}")
        return images
    if set(counts) == {""} and wanted in listing.layout.lower():
        return images  # the split was chosen by the name of its file
    if images and wanted not in counts:
        remedy = f"its splits are: {shown}" if set(counts) != {""} else "leave out --split"
        findings.fault(listing.tree.origin, f"has no split {wanted!r}", remedy)
    findings.note(f"only split {wanted} is read of: {shown}")
    return [image for image in images if image.split == wanted]


def _store_names(paths: Sequence[str], findings: DataFindings) -> dict[str, str]:
    """A file name for each image, its own where no other image has the same stem; otherwise with folders."""
    stems: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        stems[PurePosixPath(path).stem].append(path)
    names = {
        path: PurePosixPath(path).name if len(same) == 1 else path.replace("/", "_")
        for same in stems.values()
        for path in same
    }
    counts = Counter(PurePosixPath(name).stem for name in names.values())
    for path, name in names.items():
        if counts[PurePosixPath(name).stem] > 1:
            findings.fault(path, "its name is that of another image", "rename it, with its label file")
        elif len(name.encode()) > 240:
            findings.fault(path, "its name is too long", "shorten it, with that of its label file")
    return names


def _mapped(
    listing: Listing,
    boxes: Mapping[str, tuple[NormalisedBox, ...]],
    options: ReadingOptions,
    findings: DataFindings,
) -> tuple[tuple[str, ...], dict[str, tuple[NormalisedBox, ...]]]:
    """Class names and boxes in the classes of this deployment."""
    used = {box.class_name for found in boxes.values() for box in found}
    names = listing.class_names
    if listing.only_used_classes:
        names = tuple(n for n in names if n in used or n in options.class_map.renamed)
        unused = tuple(n for n in listing.class_names if n not in names)
        if unused:
            findings.note(f"{listing.names_in}: {len(unused)} categories without boxes: {some(unused)}")
    targets = options.class_map.targets(names, options.classes, listing.names_in, findings)
    for source, target in targets.items():
        count = sum(box.class_name == source for found in boxes.values() for box in found)
        if target is None:
            findings.note(f"class {source!r} is dropped, with {count} boxes")
        elif target != source:
            findings.note(f"class {source!r} becomes {target!r}, with {count} boxes")
    mapped = {
        path: tuple(
            NormalisedBox(target, box.cxcywh)
            for box in found
            if (target := targets[box.class_name]) is not None
        )
        for path, found in boxes.items()
    }
    return tuple(dict.fromkeys(t for t in targets.values() if t is not None)), mapped


def _described(
    image: ListedImage,
    name: str,
    boxes: tuple[NormalisedBox, ...],
    rows: Mapping[str, IndexRow],
    findings: DataFindings,
) -> DescribedImage:
    row = rows.get(image.path)
    scene, condition = None, Condition()
    if row is not None:
        scene = parse_scene(row.values.get(SCENE, ""), INDEX, row.line, findings)
        written = row.values.get(CONDITION, "")
        parsed = parse_condition(written)
        if parsed is None:
            what = f"condition {written!r} is not in the vocabulary"
            findings.fault(INDEX, what, condition_remedy(written), line=row.line)
        condition = parsed or condition
    width, height = image.stated_px or (0, 0)
    own_name = PurePosixPath(image.path).stem
    return DescribedImage(
        image.path, name, image.labels, "", width, height, boxes, condition, scene or scene_of(own_name)
    )


def _with_pixels(
    image: DescribedImage, listing: Listing, findings: DataFindings, *, measures_light: bool
) -> DescribedImage:
    """The image with digest and size in pixels; what cannot be used for training is a fault.

    With `measures_light` its condition is the light that a generator will find in it, not that of the index.
    """
    try:
        data = listing.tree.read(image.path)
        pixels = decode_pixels(data, image.path)
    except (FileFault, ImageRefused) as error:
        findings.unreadable(image.path, FileFault(str(error)))
        return replace(image, width=0, height=0)
    height, width = pixels.shape[:2]
    if image.width and (image.width, image.height) != (width, height):
        what = f"is {width} x {height} pixels, but {image.labels} states {image.width} x {image.height}"
        findings.fault(image.path, what, "annotate the image that is there")
    if max(width, height) > LONGEST_SIDE_RATIO * min(width, height):
        findings.gather(_STRIPS, image.path)
    if pixels.dtype == np.uint16:
        findings.gather(_DEEP, image.path)
    if measures_light:
        image = replace(image, condition=Condition(frame_conditions(to_8_bit(pixels)).light))
    return replace(image, digest=hashlib.sha256(data).hexdigest(), width=width, height=height)


def _report_copies(images: Sequence[DescribedImage], findings: DataFindings) -> None:
    """Name images that are there twice; with different labels one of them is wrong."""
    same: dict[str, list[DescribedImage]] = defaultdict(list)
    for image in images:
        if image.digest:
            same[image.digest].append(image)
    for first, *others in same.values():
        for other in others:
            findings.gather("images are copies of others", f"{other.path} of {first.path}")
            if set(other.boxes) != set(first.boxes):
                what = f"is the same image as {first.path}, with other labels"
                findings.fault(other.path, what, "remove one of them")
