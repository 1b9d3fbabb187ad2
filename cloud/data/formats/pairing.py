"""Which label file belongs to which image: one to one, or a fault.

Names match exactly, then without regard to Unicode form and letter case, then without the sub-folder where
only one side has one (`images/a.jpg`, `labels/train/a.txt`). At each step only what is unambiguous is paired.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from cloud.data.faults import DataFindings

_Key = Callable[[str], str | None]


def pair(images: Iterable[str], labels: Iterable[str], findings: DataFindings) -> dict[str, str]:
    """Label file by image. Ambiguous names and label files that belong to no image are faults."""
    left_images, left_labels = sorted(images), sorted(labels)
    pairs: dict[str, str] = {}
    for image_key, label_key in _steps():
        grouped_images = _grouped(left_images, image_key)
        grouped_labels = _grouped(left_labels, label_key)
        done: set[str] = set()
        for key, some_images in grouped_images.items():
            some_labels = grouped_labels.get(key, [])
            if len(some_images) == len(some_labels) == 1:
                pairs[some_images[0]] = some_labels[0]
            elif some_labels:
                _report_ambiguity(some_images, some_labels, findings)
            else:
                continue
            done.update(some_images, some_labels)
        left_images = [path for path in left_images if path not in done]
        left_labels = [path for path in left_labels if path not in done]
    _report_twins([*left_images, *pairs], findings)
    _report_left_over(left_labels, pairs, findings)
    return pairs


def plain(text: str) -> str:
    """A name without regard to Unicode form and letter case."""
    return unicodedata.normalize("NFC", text).casefold()


def bare(path: str) -> str:
    """A path without its last folder named `images` or `labels`: what image and label have in common."""
    parts = path.split("/")
    for position in range(len(parts) - 2, -1, -1):
        if parts[position].lower() in ("images", "labels"):
            return "/".join(parts[:position] + parts[position + 1 :])
    return path


def stem(path: str) -> str:
    """A path without its last suffix."""
    return path[: len(path) - len(PurePosixPath(path).suffix)]


def _steps() -> list[tuple[_Key, _Key]]:
    def same(path: str) -> str:
        return path

    steps: list[tuple[_Key, _Key]] = []
    for fold in (same, plain):
        for image_name in (stem, same):  # a.txt, then a.jpg.txt
            steps.append((_key(fold, image_name), _key(fold, stem)))
    for flat_side in (True, False):  # without sub-folder: the image, then the label file
        for fold in (same, plain):
            for image_name in (stem, same):
                steps.append(
                    (_key(fold, image_name, flat=flat_side, last=True),
                     _key(fold, stem, flat=not flat_side, last=True))
                )  # fmt: skip
    return steps


def _key(
    fold: Callable[[str], str], name: Callable[[str], str], *, flat: bool = False, last: bool = False
) -> _Key:
    """A key for grouping: `last` compares the last part only; `flat` takes files without sub-folder only."""

    def key(path: str) -> str | None:
        inside = bare(path)
        if flat and "/" in inside:
            return None
        return fold(name(inside.rpartition("/")[2] if last else inside))

    return key


def _grouped(paths: list[str], key: _Key) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        if (found := key(path)) is not None:
            groups[found].append(path)
    return groups


def _report_ambiguity(images: list[str], labels: list[str], findings: DataFindings) -> None:
    if len(images) == 1:
        what = f"{len(labels)} label files for the image {images[0]}: {', '.join(labels)}"
        findings.fault(images[0], what, "keep one of them")
    else:
        what = f"{', '.join(labels)} may belong to {len(images)} images: {', '.join(images)}"
        findings.fault(labels[0], what, "give every image a name of its own, and its labels the same")


def _report_twins(images: list[str], findings: DataFindings) -> None:
    """Two images in one folder that differ in their suffix only would share a label file."""
    for twins in _grouped(sorted(images), _key(str, stem)).values():
        if len(twins) > 1:
            what = f"has the same name as {', '.join(twins[1:])} but for the suffix"
            findings.fault(twins[0], what, "rename one, with its label file")


def _report_left_over(labels: list[str], pairs: dict[str, str], findings: DataFindings) -> None:
    taken = {plain(stem(bare(image))): image for image in pairs}
    for path in labels:
        name = plain(stem(bare(path)))
        owner = taken.get(name) or taken.get(stem(name))
        what = (
            f"belongs to the image {owner}, which has {pairs[owner]} already" if owner
            else "belongs to no image"
        )  # fmt: skip
        findings.fault(path, what, "rename it to the name of its image, or remove it")
