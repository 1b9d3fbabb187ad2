"""Images that operators add: datasets, each with one role, immutable, named by the digest of its content.

    DATA/datasets/ROLE/DIGEST/   images/, labels/, classes.json, index.csv, dataset.json

Roles: `base` and `replay` are for training, `calibration` for choosing thresholds, `holdout` for evaluation,
`background` for inpainting. A scene (the place where images were taken) and an image may have one role only,
because a holdout must not contain what was trained on. Images are copied byte for byte; labels, class names
and index are written in one form, whatever form they came in. A dataset appears whole or not at all.
"""

import csv
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter

from cloud.data.description import DatasetDescription, DescribedImage, describe
from cloud.data.faults import DataFindings, refuse, some
from cloud.data.labelled_images import label_text
from cloud.data.listing import ReadingOptions
from cloud.data.roles import DataRole, compatible
from cloud.errors import DataRefused
from messaging.errors import FileFault
from messaging.runtime.atomic_files import move_folder, write_atomically
from messaging.runtime.locks import FileLock
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.state_files import StateFile

_CARD = "dataset.json"
_UNFINISHED = ".adding-"
_LOCK = ".lock"
_LOCK_WAIT_S = 60.0
_DIGEST_START = 6


@dataclass(frozen=True)
class DatasetCard:
    """What `dataset.json` records. `files` has the sha256 hex of every file that the store wrote.

    `licence` is what whoever added the images stated; empty if nothing was.
    """

    digest: str
    role: DataRole
    images: int
    boxes: int
    scenes: tuple[str, ...]
    name: str
    layout: str = ""
    empty_images: int = 0
    classes: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""


@dataclass(frozen=True)
class Dataset(DatasetCard):
    """One added dataset, and the folder that it is stored in."""

    folder: Path = Path()


@dataclass(frozen=True)
class RemovedDataset:
    """What a removal deleted, and the files that it left because the store had not made them."""

    dataset: Dataset
    files: int
    left: tuple[str, ...]


class DatasetRegister:
    """The datasets of one data folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def all(self, role: DataRole | None = None) -> list[Dataset]:
        """Datasets of one role or of all, sorted by role and name. Raises `StateFileBroken`."""
        folders = [
            folder
            for one in ([role] if role else DataRole)
            if (self._root / one).is_dir()
            for folder in (self._root / one).iterdir()
        ]
        found = [dataset for folder in folders if (dataset := _read(folder)) is not None]
        return sorted(found, key=lambda dataset: (dataset.role, dataset.name, dataset.digest))

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

    def check(self, source: Path, options: ReadingOptions) -> DatasetDescription:
        """Describe a dataset, with what the datasets here forbid for its role. Changes nothing."""
        described = describe(source, options)
        findings = DataFindings(list(described.faults), list(described.notes))
        if options.role is not None:
            self._check_other_roles(described, options.role, findings)
        return replace(described, faults=tuple(findings.faults), notes=findings.every_note)

    def add(
        self, source: Path, role: DataRole, name: str | None = None, options: ReadingOptions | None = None
    ) -> Dataset:
        """Check a dataset and store it. Raises `DataRefused` as `store`."""
        return self.store(self.check(source, replace(options or ReadingOptions(), role=role)), role, name)

    def store(
        self, described: DatasetDescription, role: DataRole, name: str | None = None, *, licence: str = ""
    ) -> Dataset:
        """Store a checked dataset with the licence that is stated for it.

        The same content again changes only the licence, if one is given. Raises `DataRefused` with all its
        faults, and if it changes meanwhile or cannot be written.
        """
        refuse(described.origin, described.faults)
        texts = _texts(described)
        files = {path: hashlib.sha256(text).hexdigest() for path, text in texts.items()}
        files |= {f"images/{image.name}": image.digest for image in described.images}
        source = Path(described.origin).absolute()
        card = _card(described, role, name or (source.name if source.is_dir() else source.stem), files)
        card = replace(card, licence=licence)
        target = self._root / role / card.digest
        if (known := _read(target)) is not None:
            return self._licensed(known, licence)
        try:
            self._write(described, texts, card, target)
        except (OSError, FileFault) as error:
            what = os_error_sentence(error) if isinstance(error, OSError) else str(error)
            raise DataRefused(f"{described.origin} is not added: {what}") from error
        return Dataset(**vars(card), folder=target)

    def _licensed(self, dataset: Dataset, licence: str) -> Dataset:
        """The dataset with this licence; as it is without one."""
        if licence in ("", dataset.licence):
            return dataset
        values = vars(dataset) | {"licence": licence}
        folder = values.pop("folder")
        write_atomically(folder / _CARD, _CARDS.dump_json(DatasetCard(**values), indent=1))
        return replace(dataset, licence=licence)

    def find(self, key: str) -> Dataset:
        """The dataset of this name, digest, or first digits of a digest. Raises `DataRefused`."""
        every = self.all()
        found = [one for one in every if key in (one.name, one.digest)]
        if not found and len(key) >= _DIGEST_START:
            found = [one for one in every if one.digest.startswith(key)]
        if len(found) == 1:
            return found[0]
        if found:
            shown = some([f"{one.digest[:12]} ({one.role})" for one in found])
            raise DataRefused(f"{key!r} names {len(found)} datasets; name one by its digest: {shown}")
        raise DataRefused(f"there is no dataset {key!r}; `blindspot data list` shows names and digests")

    def remove(self, dataset: Dataset) -> RemovedDataset:
        """Delete the files that `add` wrote, as long as they are as it wrote them, and empty folders.

        Raises `DataRefused` for a dataset without a list of its files.
        """
        folder = dataset.folder
        if not dataset.files or folder.is_symlink():
            what = "is a link" if folder.is_symlink() else "was added by a version that kept no list of files"
            raise DataRefused(f"{folder} {what}; remove it by hand")
        (folder / _CARD).unlink()
        removed = 1
        for path, digest in dataset.files.items():
            file = folder / path
            if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == digest:
                file.unlink()
                removed += 1
        left = tuple(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()))
        for inside in (folder / "images", folder / "labels", folder):
            if inside.is_dir() and not any(inside.iterdir()):
                inside.rmdir()
        return RemovedDataset(dataset, removed, left)

    def _check_other_roles(
        self, described: DatasetDescription, role: DataRole, findings: DataFindings
    ) -> None:
        """No scene and no image may be in two roles, unless both are for training."""
        digests = {image.digest: image for image in described.images if image.digest}
        for dataset in self.all():
            if compatible(role, dataset.role):
                continue
            place = f"role {dataset.role} already (dataset {dataset.name})"
            scenes = sorted(set(described.scenes) & set(dataset.scenes))
            if scenes:
                what = (
                    f"scene {scenes[0]!r} is in {place}"
                    if len(scenes) == 1
                    else f"scenes {some(scenes)} are in {place}"
                )
                remedy = (
                    f"a scene may not be in {role} too: leave it out, or rename it if it is another scene"
                )
                findings.fault(described.origin, what, remedy)
            same = [digests[digest].path for digest in dataset.files.values() if digest in digests]
            if same:
                what = f"{len(same)} images are in {place}: {some(same)}"
                findings.fault(described.origin, what, f"an image may not be in {role} too: leave them out")

    def _write(
        self, described: DatasetDescription, texts: Mapping[str, bytes], card: DatasetCard, target: Path
    ) -> None:
        """Write everything aside, then rename the folder; a failure leaves nothing."""
        if target.is_dir() and any(target.iterdir()):
            raise DataRefused(f"{target} holds files that the store did not write; move them elsewhere")
        with self._adding():
            aside = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._root))
            try:
                for image in described.images:
                    _write_file(aside / "images" / image.name, _same_bytes(described, image))
                for path, text in texts.items():
                    _write_file(aside / path, text)
                write_atomically(aside / _CARD, _CARDS.dump_json(card, indent=1))
                aside.chmod(0o755)
                move_folder(aside, target)
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise

    @contextmanager
    def _adding(self) -> Iterator[None]:
        """One addition at a time; what an interrupted one left is removed first."""
        try:
            lock = FileLock(self._root / _LOCK, wait_s=_LOCK_WAIT_S)
        except BlockingIOError:
            raise DataRefused(
                f"another process adds data to {self._root}; try again when it has finished"
            ) from None
        try:
            for unfinished in self._root.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(unfinished, ignore_errors=True)
            yield
        finally:
            lock.release()


_CARDS = TypeAdapter(DatasetCard)


def _read(folder: Path) -> Dataset | None:
    card = StateFile(folder / _CARD, _CARDS).read()
    return None if card is None else Dataset(**vars(card), folder=folder)


def _card(described: DatasetDescription, role: DataRole, name: str, files: Mapping[str, str]) -> DatasetCard:
    whole = "".join(f"{path}\0{files[path]}\n" for path in sorted(files))
    return DatasetCard(
        digest=hashlib.sha256(whole.encode()).hexdigest(),
        role=role,
        images=len(described.images),
        boxes=sum(len(image.boxes) for image in described.images),
        scenes=described.scenes,
        name=name,
        layout=described.layout,
        empty_images=sum(not image.boxes for image in described.images),
        classes=tuple(sorted({box.class_name for image in described.images for box in image.boxes})),
        conditions=tuple(sorted({image.condition.key for image in described.images})),
        files=files,
    )


def _texts(described: DatasetDescription) -> dict[str, bytes]:
    """Class names, index and labels as the store keeps them."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", "scene", "condition"])
    writer.writerows([f"images/{one.name}", one.scene, one.condition.key] for one in described.images)
    texts = {"index.csv": table.getvalue().encode()}
    if described.class_names:
        texts["classes.json"] = json.dumps(described.class_names).encode()
        for image in described.images:
            text = label_text(image.boxes, described.class_names)
            texts[f"labels/{PurePosixPath(image.name).stem}.txt"] = text.encode()
    return texts


def _same_bytes(described: DatasetDescription, image: DescribedImage) -> bytes:
    assert described.tree is not None
    data = described.tree.read(image.path)
    if hashlib.sha256(data).hexdigest() != image.digest:
        raise DataRefused(f"{described.origin}: {image.path} changed while it was read; add it again")
    return data


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
