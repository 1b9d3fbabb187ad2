"""The `data.yaml` of ultralytics: class names, and the images of each split as a folder, a list or a file.

Paths in it are relative to its own folder, to its `path`, or, as some exporters write them, one `../` too
high. They may lead out of a folder, never out of a ZIP file.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.data.class_names import parse_class_names
from cloud.data.faults import DataFindings, some
from cloud.data.file_trees import FileTree, FolderTree
from cloud.data.formats.yolo import list_yolo
from cloud.data.listing import Listing, ReadingOptions, is_image
from cloud.data.yaml_text import parse_yaml
from messaging.errors import FileFault
from messaging.runtime.text_files import decode_text

SUFFIXES = (".yaml", ".yml")
SPLITS = ("train", "val", "test")
_USUAL = ("data.yaml", "data.yml", "dataset.yaml")
_KEYS = (*SPLITS, "path", "names", "nc")


@dataclass(frozen=True)
class DataYaml:
    """A parsed `data.yaml`: where it is, its class names, its `path`, and the entries of each split."""

    where: str
    class_names: tuple[str, ...]
    base: str
    splits: dict[str, tuple[str, ...]]


def parse_data_yaml(text: str, where: str, findings: DataFindings) -> DataYaml | None:
    """Read the text of a `data.yaml`; None, with a fault, for anything else."""
    try:
        values = parse_yaml(text, where)
    except FileFault as error:
        findings.unreadable(where, error)
        return None
    if not isinstance(values, dict):
        findings.fault(where, "holds no keys and values", "write `names`, `train` and `val`")
        return None
    unknown = [str(name) for name in values if name not in _KEYS]
    if unknown:
        findings.note(f"{where}: keys not read: {some(unknown)}")
    if "names" not in values:
        findings.fault(where, "has no key `names`", "write the class names there")
        return None
    names = parse_class_names({key: values[key] for key in ("names", "nc") if key in values}, where, findings)
    splits = {name: _entries(values.get(name), name, where, findings) for name in SPLITS}
    base = values.get("path") or ""
    if not isinstance(base, str):
        findings.fault(where, f"`path` is {base!r}, not a path", "write the folder of the images")
        base = ""
    return DataYaml(where, names or (), base, {name: found for name, found in splits.items() if found})


def list_data_yaml(
    tree: FileTree, where: str, options: ReadingOptions, findings: DataFindings
) -> Listing | None:
    """The images of all splits of a `data.yaml`."""
    try:
        parsed = parse_data_yaml(decode_text(tree.read(where), origin=where), where, findings)
    except FileFault as error:
        findings.unreadable(where, error)
        return None
    if parsed is None:
        return None
    tree, base = _base(tree, parsed, findings)
    splits: dict[str, str] = {}
    for split, entries in parsed.splits.items():
        wanted = options.split in (None, split)
        for entry in entries:
            found = list(_images_of(tree, entry, base, where, findings))
            if not found and wanted:
                findings.fault(where, f"{split}: there are no images at {entry!r}", "correct the path")
            elif not found:
                findings.note(f"{where}: {split}: there are no images at {entry!r}")
            for path in found:
                if splits.setdefault(path, split) != split:
                    findings.fault(path, f"is in the splits {splits[path]} and {split}", "leave one of them")
    if not parsed.splits:
        findings.fault(where, "names no images", "write the folder of the images as `train:` or `val:`")
    names = (where, parsed.class_names)
    return list_yolo(tree, f"YOLO data set of {where}", names, splits, options=options, findings=findings)


def has_names(tree: FileTree, path: str) -> bool:
    """Whether a YAML file of the tree has the key `names`, so that it is a `data.yaml`."""
    try:
        values = parse_yaml(decode_text(tree.read(path), origin=path), path)
    except FileFault:
        return path.lower() in _USUAL
    return path.lower() in _USUAL or (isinstance(values, dict) and "names" in values)


def _entries(value: Any, split: str, where: str, findings: DataFindings) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    entries = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, str) and entry for entry in entries):
        findings.fault(
            where, f"{split}: {value!r} is no path", "write a folder, a list of folders or a .txt file"
        )
        return ()
    return tuple(entry.replace("\\", "/") for entry in entries)


def _base(tree: FileTree, parsed: DataYaml, findings: DataFindings) -> tuple[FileTree, str]:
    """The tree that the paths are in, and their base in it. `path` may lead out of a folder."""
    own = parsed.where.rpartition("/")[0]
    if isinstance(tree, FolderTree) and parsed.base:
        root = Path(tree.origin).resolve()
        base = (root / own / parsed.base).resolve()
        if base.is_relative_to(root):
            return tree, base.relative_to(root).as_posix().removeprefix(".")
        if base.is_dir():
            return FolderTree(base, findings), ""
        findings.note(
            f"{parsed.where}: there is no folder {parsed.base!r}; paths are read from its own folder"
        )
        return tree, own
    return tree, posixpath.normpath(posixpath.join(own, parsed.base)).removeprefix(".")


def _images_of(tree: FileTree, entry: str, base: str, where: str, findings: DataFindings) -> Iterator[str]:
    """The images of one entry: of a folder, or of a text file with one image a line."""
    for place in _places(tree, entry, base):
        inside = [
            path for path in tree.paths if path.startswith(f"{place}/".removeprefix("./")) and is_image(path)
        ]
        if inside:
            yield from inside
            return
        if place in tree.paths and is_image(place):
            yield place
            return
        if place in tree.paths:
            yield from _listed_images(tree, place, base, findings)
            return


def _listed_images(tree: FileTree, place: str, base: str, findings: DataFindings) -> Iterator[str]:
    try:
        lines = decode_text(tree.read(place), origin=place).splitlines()
    except FileFault as error:
        findings.unreadable(place, error)
        return
    seen: set[str] = set()
    for line, text in enumerate(lines, start=1):
        entry = text.strip().replace("\\", "/")
        if not entry:
            continue
        places = [*_places(tree, entry, place.rpartition("/")[0]), *_places(tree, entry, base)]
        path = next((path for path in places if path in tree.paths), None)
        if path is None or path in seen:
            what = f"there is no image {entry!r}" if path is None else f"{entry!r} is there twice"
            findings.fault(place, what, "correct or remove the line", line=line)
            continue
        seen.add(path)
        yield path


def _places(tree: FileTree, entry: str, base: str) -> Iterator[str]:
    """Where in the tree a path may lead, the likeliest first; never out of the tree."""
    root = Path(tree.origin).resolve().as_posix()
    if entry.startswith(f"{root}/") or entry == root:
        entry, base = entry[len(root) + 1 :] or ".", ""
    for place in (posixpath.join(base, entry), entry):
        normal = posixpath.normpath(place)
        while normal.startswith("../"):
            normal = normal[3:]
        if not normal.startswith(("/", "..")):
            yield normal
