"""COCO object annotations: one JSON file with images, categories and boxes in pixels.

Crowd regions and run-length masks are no boxes of single objects; they are left out and counted. Everything
that contradicts itself (an id twice, a box outside its image, an image that is not there) is a fault.
"""

import math
import posixpath
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloud.data.boxes import SLACK, TWICE, NormalisedBox, box_fault
from cloud.data.faults import DataFindings
from cloud.data.file_trees import FileTree
from cloud.data.formats.pairing import plain
from cloud.data.listing import ListedImage, Listing, is_image
from messaging.errors import FileFault
from messaging.plurals import quantity
from messaging.runtime.text_files import decode_json, decode_text

_PARTS = ("images", "annotations", "categories")
_EXPORT = "export the annotations again"


@dataclass(frozen=True)
class _CocoImage:
    path: str
    width: int
    height: int


def is_coco(value: Any) -> bool:
    """Whether a JSON document has the three lists of COCO object annotations."""
    return isinstance(value, dict) and all(part in value for part in _PARTS)


def find_coco(tree: FileTree) -> list[str]:
    """JSON files of a tree that are COCO object annotations, or have the name of one."""
    found = []
    for path in tree.paths:
        if not path.lower().endswith(".json") or path == "classes.json":
            continue
        name = path.rpartition("/")[2].lower()
        named = (
            "coco" in name
            or name.startswith(("instances_", "annotations"))
            or "annotations" in path.split("/")
        )
        if named or "/" not in path:
            try:
                coco = is_coco(decode_json(decode_text(tree.read(path), origin=path), origin=path))
            except FileFault:
                coco = named
            if coco or name == "annotations.json":
                found.append(path)
    return found


def list_coco(tree: FileTree, where: str, findings: DataFindings) -> Listing | None:
    """The images of a COCO file with their boxes; None, with a fault, for a file that is none."""
    try:
        value = decode_json(decode_text(tree.read(where), origin=where), origin=where)
    except FileFault as error:
        findings.unreadable(where, error)
        return None
    if not is_coco(value) or not all(
        isinstance(value[part], list) and all(isinstance(row, dict) for row in value[part]) for part in _PARTS
    ):
        findings.fault(where, "is no COCO file: it needs lists images, annotations, categories", _EXPORT)
        return None
    names = _categories(value["categories"], where, findings)
    images = _images(tree, value["images"], where, findings)
    boxes = _boxes(value["annotations"], images, names, where, findings=findings)
    listed = tuple(
        ListedImage(one.path, where, stated_px=(one.width, one.height))
        for one in sorted(images.values(), key=lambda one: one.path)
        if one.path
    )
    inside = {image.path for image in listed}
    return Listing(
        tree=tree,
        layout=f"COCO annotations of {where}",
        class_names=tuple(names.values()),
        names_in=where,
        images=listed,
        other_images=tuple(path for path in tree.paths if is_image(path) and path not in inside),
        boxes_of=lambda image: tuple(boxes.get(image.path, ())),
        only_used_classes=True,
    )


def _categories(rows: Sequence[dict[str, Any]], where: str, findings: DataFindings) -> dict[Any, str]:
    names: dict[Any, str] = {}
    for number, row in enumerate(rows):
        identity, name = row.get("id"), row.get("name")
        if not _is_id(identity) or not isinstance(name, str) or not name.strip() or not name.isprintable():
            findings.fault(
                where, f"categories[{number}] needs an id and a name, got {str(row)[:60]}", _EXPORT
            )
        elif identity in names or name in names.values():
            findings.fault(where, f"category {identity} {name!r} is there twice", _EXPORT)
        else:
            names[identity] = name
    return names


def _images(
    tree: FileTree, rows: Sequence[dict[str, Any]], where: str, findings: DataFindings
) -> dict[Any, _CocoImage]:
    """Images by id; one without its file has an empty path."""
    images: dict[Any, _CocoImage] = {}
    owner: dict[str, Any] = {}
    find = _Files(tree, where)
    for number, row in enumerate(rows):
        identity, name = row.get("id"), row.get("file_name")
        width, height = row.get("width"), row.get("height")
        if not _is_id(identity) or not isinstance(name, str) or not _is_side(width) or not _is_side(height):
            what = f"images[{number}] needs id, file_name, width and height, got {str(row)[:80]}"
            findings.fault(where, what, _EXPORT)
            continue
        assert isinstance(width, int)
        assert isinstance(height, int)
        if identity in images:
            findings.fault(where, f"image id {identity} is there twice, for {name!r} too", _EXPORT)
            continue
        found = find(name)
        if len(found) != 1:
            what = f"image {name!r} is not there" if not found else f"{name!r} may be {' or '.join(found)}"
            findings.fault(where, what, "put the file into images/, or remove its entry")
        elif found[0] in owner:
            what = f"the file {found[0]} is listed twice, as image {owner[found[0]]} and {identity}"
            findings.fault(where, what, "remove one of them")
            found = []
        path = found[0] if len(found) == 1 else ""
        owner[path] = identity
        images[identity] = _CocoImage(path, width, height)
    return images


def _boxes(
    rows: Sequence[dict[str, Any]],
    images: dict[Any, _CocoImage],
    names: dict[Any, str],
    where: str,
    *,
    findings: DataFindings,
) -> dict[str, list[NormalisedBox]]:
    boxes: dict[str, list[NormalisedBox]] = defaultdict(list)
    seen: set[Any] = set()
    skipped: Counter[str] = Counter()
    for number, row in enumerate(rows):
        identity = row.get("id", f"number {number}")
        shown = f"annotation {identity}"
        image, name = (_found(images, row.get("image_id")), _found(names, row.get("category_id")))
        if not _is_id(identity) or identity in seen:
            findings.fault(where, f"{shown}: its id is there twice or is none", _EXPORT)
        elif image is None:
            findings.fault(where, f"{shown}: there is no image with the id {row.get('image_id')!r}", _EXPORT)
        elif name is None:
            what = f"{shown}: there is no category with the id {row.get('category_id')!r}"
            findings.fault(where, what, _EXPORT)
        elif row.get("iscrowd"):
            skipped["crowd"] += 1
        elif isinstance(row.get("segmentation"), dict):
            skipped["run-length mask"] += 1
        else:
            box = _box(row.get("bbox"), image, name)
            if isinstance(box, str):
                findings.fault(where, f"{shown} of {image.path or 'a missing image'}: {box}", _EXPORT)
            elif box in boxes[image.path]:
                findings.gather(TWICE, f"{where} {shown}")
            else:
                boxes[image.path].append(box)
        seen.add(identity if _is_id(identity) else None)
    for kind, count in skipped.items():
        findings.note(f"{where}: {quantity(count, 'annotation')} left out: {kind}")
    return boxes


def _box(value: Any, image: _CocoImage, name: str) -> NormalisedBox | str:
    """The box of an annotation, or what is wrong with it."""
    numbers = isinstance(value, list) and len(value) == 4 and all(_is_number(number) for number in value)
    if not numbers:
        return f"bbox {str(value)[:60]} is not [x, y, width, height] in pixels"
    x, y, w, h = value
    cxcywh = (
        (x + w / 2) / image.width,
        (y + h / 2) / image.height,
        w / image.width,
        h / image.height,
    )
    if box_fault(cxcywh) is not None:
        return f"bbox {value} is empty or leaves the image of {image.width} x {image.height} pixels"
    if max(image.width, image.height) > 2 and max(value) <= 1 + SLACK and w < 1 and h < 1:
        return f"bbox {value} holds fractions; COCO boxes are in pixels"
    return NormalisedBox(name, cxcywh)


class _Files:
    """Finds the image files that a `file_name` may mean."""

    def __init__(self, tree: FileTree, where: str) -> None:
        self._beside = where.rpartition("/")[0]
        self._paths = {path for path in tree.paths if is_image(path)}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self._paths):
            self._by_name[plain(path.rpartition("/")[2])].append(path)

    def __call__(self, name: str) -> list[str]:
        path = posixpath.normpath(name.replace("\\", "/"))
        for folder in ("", "images", self._beside, posixpath.join(self._beside, "images")):
            if (place := posixpath.normpath(posixpath.join(folder, path))) in self._paths:
                return [place]
        ending = f"/{plain(path)}"
        named = self._by_name[plain(path.rpartition("/")[2])]
        return [found for found in named if f"/{plain(found)}".endswith(ending)]


def _found(table: dict[Any, Any], identity: Any) -> Any:
    return table.get(identity) if _is_id(identity) else None


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
