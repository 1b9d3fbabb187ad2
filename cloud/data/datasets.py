"""Images that operators add: labelled folders, each with one dataset role, immutable, named by its digest.

    DATA/datasets/ROLE/DIGEST/   images/, labels/, classes.json, index.csv, dataset.json

Roles: `base` and `replay` are for training, `calibration` for choosing thresholds, `holdout` for evaluation,
`background` for inpainting. A scene (the place where images were taken) may have one role only, because a
holdout must not contain scenes that were trained on. Files are copied, never changed.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from cloud.data.labelled_images import IMAGE_SUFFIXES, LabelledFile, list_labelled, read_image, scene_of
from cloud.errors import DataRefused
from messaging.runtime.atomic_files import write_atomically
from messaging.taxonomy import Condition

_CARD = "dataset.json"
_UNKNOWN = Condition()


class DataRole(StrEnum):
    """What a folder of images may be used for."""

    BASE = "base"
    REPLAY = "replay"
    CALIBRATION = "calibration"
    HOLDOUT = "holdout"
    BACKGROUND = "background"


@dataclass(frozen=True)
class Dataset:
    """One added folder. `scenes` are the places where its images were taken."""

    digest: str
    role: DataRole
    images: int
    boxes: int
    scenes: tuple[str, ...]
    name: str
    folder: Path


class DatasetRegister:
    """The datasets of one data folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def all(self, role: DataRole | None = None) -> list[Dataset]:
        """Datasets of one role or of all, sorted by role and name."""
        cards = sorted(self._root.glob(f"{role or '*'}/*/{_CARD}"))
        return sorted((_read_card(card) for card in cards), key=lambda d: (d.role, d.name, d.digest))

    def folders(self, *roles: DataRole) -> tuple[Path, ...]:
        """Folders of these roles."""
        return tuple(dataset.folder for role in roles for dataset in self.all(role))

    @property
    def backgrounds(self) -> Path | None:
        """Absolute path of the first background folder; None means that streets are drawn."""
        return next((folder.absolute() for folder in self.folders(DataRole.BACKGROUND)), None)

    def images(self, role: DataRole) -> int:
        """Number of images of a role."""
        return sum(dataset.images for dataset in self.all(role))

    def add(self, folder: Path, role: DataRole, name: str | None = None) -> Dataset:
        """Add a labelled folder (backgrounds need no labels); adding the same bytes again changes nothing.

        Raises `DataRefused` for a folder without images, a faulty file, or a scene that has another role.
        """
        files = _background_files(folder) if role is DataRole.BACKGROUND else list_labelled(folder)
        scenes = tuple(sorted({file.scene for file in files}))
        self._refuse_second_role(scenes, role, folder)
        digest = _digest(folder, files)
        target = self._root / role / digest
        if not (target / _CARD).exists():
            _check_images(files)
            self._copy(folder, files, target)
            boxes = sum(len(file.boxes) for file in files)
            card = Dataset(digest, role, len(files), boxes, scenes, name or folder.name, target)
            values = {**asdict(card), "scenes": list(scenes)}
            del values["folder"]
            write_atomically(target / _CARD, json.dumps(values, indent=1, sort_keys=True).encode())
        return _read_card(target / _CARD)

    def _refuse_second_role(self, scenes: Iterable[str], role: DataRole, folder: Path) -> None:
        for dataset in self.all():
            both = sorted(set(scenes) & set(dataset.scenes))
            if both and not _compatible(role, dataset.role):
                raise DataRefused(
                    f"scene {both[0]!r} of {folder} is in role {dataset.role} already (dataset "
                    f"{dataset.name}); a scene may not be in {role} too: leave it out, or rename it if it is "
                    "another scene"
                )

    def _copy(self, folder: Path, files: Iterable[LabelledFile], target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        (target / "images").mkdir(parents=True)
        (target / "labels").mkdir()
        for file in files:
            shutil.copyfile(file.path, target / "images" / file.path.name)
            labels = folder / "labels" / f"{file.path.stem}.txt"
            if labels.exists():
                shutil.copyfile(labels, target / "labels" / labels.name)
        for extra in ("classes.json", "index.csv"):
            if (folder / extra).exists():
                shutil.copyfile(folder / extra, target / extra)


def _compatible(one: DataRole, other: DataRole) -> bool:
    """Whether a scene may have both roles: only both for training."""
    training = {DataRole.BASE, DataRole.REPLAY}
    return one is other or {one, other} <= training


def _background_files(folder: Path) -> tuple[LabelledFile, ...]:
    if (folder / "classes.json").exists():
        return list_labelled(folder)
    inside = folder / "images" if (folder / "images").is_dir() else folder
    paths = sorted(path for path in inside.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise DataRefused(f"{folder} holds no images; put JPEG or PNG files into it")
    return tuple(LabelledFile(path, (), _UNKNOWN, scene_of(path.stem)) for path in paths)


def _check_images(files: Iterable[LabelledFile]) -> None:
    for file in files:
        read_image(file.path)


def _digest(folder: Path, files: Iterable[LabelledFile]) -> str:
    """sha256 hex over names, images, labels, class names and index, in order of name."""
    whole = hashlib.sha256()
    paths = [path for file in files for path in (file.path, folder / "labels" / f"{file.path.stem}.txt")]
    for path in [*paths, folder / "classes.json", folder / "index.csv"]:
        if path.exists():
            whole.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _read_card(path: Path) -> Dataset:
    values = json.loads(path.read_text())
    values |= {"role": DataRole(values["role"]), "scenes": tuple(values["scenes"]), "folder": path.parent}
    return Dataset(**values)


def role_of(name: str) -> DataRole:
    """The role of that name. Raises `DataRefused` for any other name."""
    try:
        return DataRole(name)
    except ValueError:
        raise DataRefused(f"role {name!r} is not one of {', '.join(DataRole)}") from None
