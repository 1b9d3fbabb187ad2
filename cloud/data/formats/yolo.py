"""YOLO datasets: images/, labels/ and class names, in our own layout or with an ultralytics `data.yaml`."""

from collections.abc import Iterable, Mapping

from cloud.data.boxes import NormalisedBox, parse_rows
from cloud.data.class_names import parse_class_names
from cloud.data.faults import DataFindings, some
from cloud.data.file_trees import FileTree
from cloud.data.formats.pairing import bare, pair
from cloud.data.listing import ListedImage, Listing, ReadingOptions, is_image
from messaging.errors import FileFault
from messaging.runtime.text_files import decode_json, decode_text

CLASSES_JSON = "classes.json"
NAME_LISTS = ("classes.txt", "obj.names")
CACHES = (".cache", ".npy")
SPLIT_FOLDERS = ("train", "val", "valid", "validation", "test")
_NO_NAMES = 'write the class names there, as ["fire", "smoke"]'


def list_yolo_folder(tree: FileTree, options: ReadingOptions, findings: DataFindings) -> Listing:
    """Our own layout: `classes.json` (or a `classes.txt` of a label tool) beside images/ and labels/."""
    where = next((path for path in (CLASSES_JSON, *name_lists(tree)) if path in tree.paths), CLASSES_JSON)
    names = _class_names(tree, where, findings)
    every = [path for path in tree.paths if is_image(path)]
    inside = [path for path in every if in_folder(path, "images")] or every
    splits = {path: _split_folder(path) for path in inside}
    return list_yolo(
        tree, f"YOLO folder with {where}", (where, names), splits, options=options, findings=findings
    )


def list_yolo(
    tree: FileTree,
    layout: str,
    names: tuple[str, tuple[str, ...]],
    splits: Mapping[str, str],
    *,
    options: ReadingOptions,
    findings: DataFindings,
) -> Listing:
    """Images (`splits` has the split of each), their label files, and what is left over.

    `names` are the file of the class names and the names.
    """
    labels = frozenset(_label_files(tree, splits, findings))
    paired = [p for p in tree.paths if is_image(p) and (p in splits or in_folder(p, "images"))]
    pairs = pair(paired, labels, findings)
    for path in tree.paths:
        if in_folder(path, "images") and not (is_image(path) or path in labels or path.endswith(CACHES)):
            findings.gather("files beside the images are of no format that is read", path)
    where, class_names = names

    def boxes_of(image: ListedImage) -> tuple[NormalisedBox, ...]:
        if image.labels is None:
            return ()
        try:
            text = decode_text(tree.read(image.labels), origin=image.labels)
        except FileFault as error:
            findings.unreadable(image.labels, error)
            return ()
        # without class names every row would be a second fault of the same cause
        return parse_rows(
            text, class_names, image.labels, findings, segments_as_boxes=options.segments_as_boxes
        ) if class_names else ()  # fmt: skip

    images = tuple(ListedImage(path, pairs.get(path), splits[path]) for path in sorted(splits))
    others = tuple(path for path in tree.paths if is_image(path) and path not in splits)
    return Listing(tree, layout, class_names, where, images, others, boxes_of)


def name_lists(tree: FileTree) -> list[str]:
    """Class names one a line, as label tools write them."""
    return [path for path in tree.paths if path.rpartition("/")[2].lower() in NAME_LISTS]


def in_folder(path: str, name: str) -> bool:
    """Whether one of the folders of a path has this name, in any letter case."""
    return name in path.lower().split("/")[:-1]


def label_files(tree: FileTree) -> list[str]:
    """Everything that may be a label file: `.txt` in any letter case, without lists and read-me files."""
    lists = frozenset(name_lists(tree))
    return [
        path
        for path in tree.paths
        if path.lower().endswith(".txt")
        and not path.rpartition("/")[2].lower().startswith(("readme", "licen"))
        and path not in lists
    ]


def _class_names(tree: FileTree, where: str, findings: DataFindings) -> tuple[str, ...]:
    if where not in tree.paths:
        findings.fault(tree.origin, f"has no {CLASSES_JSON}", _NO_NAMES)
        return ()
    try:
        text = decode_text(tree.read(where), origin=where)
        value = decode_json(text, origin=where) if where == CLASSES_JSON else text.split("\n")
    except FileFault as error:
        findings.unreadable(where, error)
        return ()
    if isinstance(value, list) and where != CLASSES_JSON:
        value = [line.strip() for line in value if line.strip()]
    return parse_class_names(value, where, findings) or ()


def _split_folder(path: str) -> str:
    first = bare(path).split("/")[0]
    return first if first.lower() in SPLIT_FOLDERS else ""


def _label_files(tree: FileTree, images: Iterable[str], findings: DataFindings) -> list[str]:
    """Label files of these images: in a folder `labels`, beside the images, or else anywhere."""
    beside = {path.rpartition("/")[0] for path in images}
    texts = label_files(tree)
    near = [path for path in texts if in_folder(path, "labels") or path.rpartition("/")[0] in beside]
    known = frozenset((*texts, *name_lists(tree)))
    for path in tree.paths:
        expected = path in known or is_image(path) or path.endswith(CACHES)
        if not expected and in_folder(path, "labels"):
            findings.fault(path, "is no label file", "convert it to a YOLO label file .txt, or remove it")
    if near:
        far = sorted(frozenset(texts).difference(near))
        if far:
            findings.note(f"text files not read: {some(far)}")
        return near
    return [path for path in texts if "/" in path]
