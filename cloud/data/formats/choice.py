"""Which layout a dataset has, found from its content: YOLO folder, `data.yaml`, COCO, or images alone."""

import zipfile
from pathlib import Path

from cloud.data.faults import DataFindings, some
from cloud.data.file_trees import FileTree, FolderTree
from cloud.data.formats.coco import find_coco, list_coco
from cloud.data.formats.data_yaml import SUFFIXES, has_names, list_data_yaml
from cloud.data.formats.yolo import CLASSES_JSON, in_folder, label_files, list_yolo_folder, name_lists
from cloud.data.listing import ListedImage, Listing, ReadingOptions, is_image
from cloud.data.roles import DataRole
from cloud.data.zip_tree import ZipTree


def list_dataset(source: Path, options: ReadingOptions, findings: DataFindings) -> Listing | None:
    """The images of a folder, a ZIP file, a `data.yaml` or a COCO file; None if nothing can be read."""
    opened = _open(source, findings)
    if opened is None:
        return None
    tree, named = opened
    if named is None and CLASSES_JSON in tree.paths:
        _note_unread(tree, findings)
        return list_yolo_folder(tree, options, findings)
    yamls = [p for p in tree.paths if p.endswith(SUFFIXES) and "/" not in p and has_names(tree, p)]
    cocos = find_coco(tree) if named is None or named.endswith(".json") else []
    choice = named or _one_of([*yamls, *cocos], options, tree, findings)
    if choice is None:
        return None if yamls or cocos else _without_definition(tree, options, findings)
    if choice.endswith(SUFFIXES):
        return list_data_yaml(tree, choice, options, findings)
    return list_coco(tree, choice, findings)


def _open(source: Path, findings: DataFindings) -> tuple[FileTree, str | None] | None:
    """The files of a source, and the file in them that the source names, if it names one."""
    suffix = source.suffix.lower()
    if source.is_dir():
        return FolderTree(source, findings), None
    if not source.exists():
        findings.fault(str(source), "does not exist", "check the path")
    elif not source.is_file():
        findings.fault(str(source), "is neither a folder nor a file", "name a folder or a ZIP file")
    elif suffix == ".zip" or zipfile.is_zipfile(source):
        return ZipTree(source, findings), None
    elif suffix in (".json", *SUFFIXES):
        root = source.parent.parent if source.parent.name == "annotations" else source.parent
        return FolderTree(root, findings), source.relative_to(root).as_posix()
    else:
        forms = "a folder, a ZIP file, a data.yaml or a COCO file (.json)"
        findings.fault(str(source), f"is not {forms}", "unpack it, or convert it to one of these")
    return None


def _one_of(paths: list[str], options: ReadingOptions, tree: FileTree, findings: DataFindings) -> str | None:
    """The only file that describes the dataset, or the one whose name has the split."""
    split = options.split
    fitting = [path for path in paths if split and split in path.lower()]
    if len(paths) <= 1 or len(fitting) == 1:
        return [*fitting, *paths, None][0]
    what = f"is described by {len(paths)} files: {some(paths)}"
    findings.fault(tree.origin, what, "name one of them instead of the folder, or choose with --split")
    return None


def _without_definition(tree: FileTree, options: ReadingOptions, findings: DataFindings) -> Listing | None:
    if name_lists(tree):
        return list_yolo_folder(tree, options, findings)
    every = [path for path in tree.paths if is_image(path)]
    inside = [path for path in every if in_folder(path, "images")] or every
    if not every and not findings.faults:
        findings.fault(tree.origin, "holds no images", "put JPEG or PNG files under images/")
    labels = [path for path in label_files(tree) if "/" in path or any("/" not in image for image in inside)]
    needs_names = options.role not in (None, DataRole.BACKGROUND)
    if every and (labels or needs_names):
        remedy = f'write the class names there, as ["fire", "smoke"]; {len(labels)} label files need them'
        findings.fault(tree.origin, f"has no {CLASSES_JSON}", remedy)
    elif every and options.role is None:
        findings.note("images without labels: only role background can use them")
    images = tuple(ListedImage(path) for path in inside)
    others = tuple(path for path in every if path not in inside)
    return Listing(tree, "images without labels", (), CLASSES_JSON, images, others)


def _note_unread(tree: FileTree, findings: DataFindings) -> None:
    """Name other descriptions of the same images, which `classes.json` supersedes."""
    unread = [p for p in tree.paths if p.endswith(SUFFIXES) and "/" not in p and has_names(tree, p)]
    unread += find_coco(tree)
    if unread:
        findings.note(f"not read, since {CLASSES_JSON} describes the images: {some(unread)}")
