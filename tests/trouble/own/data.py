"""Own examples of labelled folders: pairing, indexes, class lists, encodings, deep pixels, COCO, ZIP."""

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.trouble.bench import Bench, says
from tests.trouble.case import Case, Check, add, case, need
from tests.trouble.handed.data import added_or_refused, counts, data_add, refused
from tests.trouble.parts import LABEL, encoded, huge_jpeg, labelled, street


def _folder(bench: Bench, *, extra: Mapping[str, str | bytes] | None = None, **folder: Any) -> Path:
    """A labelled folder with further files by name."""
    place = labelled(bench.folder / "set", **folder)
    for name, content in (extra or {}).items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return place


def _refuses(bench: Bench, prints: tuple[str, ...], **folder: Any) -> None:
    """The folder is refused with this sentence, and nothing is added."""
    role = folder.pop("role", "base")
    result = data_add(bench, _folder(bench, **folder), role=role)
    need(refused(result, *prints), f"not refused naming {prints}: {result.code}: {result.tail()}")
    need(not list(bench.folder.glob("data/datasets/*/*/dataset.json")), "something was added")


def _named_or_refused(bench: Bench, counted: str, named: str, **folder: Any) -> None:
    """Added with these counts and the left-over named, or refused naming it."""
    result = data_add(bench, _folder(bench, **folder))
    fine = counts(result, counted) and not says(result.text, [named])
    need(fine or refused(result, named), f"{named} is passed over in silence: {result.code}: {result.tail()}")


def _case(kind: str, name: str, right: str, check: Check) -> None:
    add(Case(f"{kind}-{name}", kind, right, check))


INDEX = "file,scene,condition\n"
TWO = ("cam_0001.jpg", "cam_0002.jpg")
PNG_BESIDE = {"images/cam_0001.png": encoded(street(320, 180, seed=9), ".png")}
_case("C", "label-without-an-image", "a label whose image is gone is named",
      partial(_named_or_refused, counted="1 images, 1 boxes", named=r"cam_0009\.txt",
              labels={"cam_0001.txt": LABEL, "cam_0009.txt": LABEL}))  # fmt: skip
_case("C", "two-images-of-one-label", "a label is claimed by one image at most",
      partial(_refuses, prints=(r"cam_0001",), extra=PNG_BESIDE))  # fmt: skip
_case("C", "index-row-without-an-image", "an index row whose image is not there is named",
      partial(_named_or_refused, counted="1 images, 1 boxes", named=r"cam_0007\.jpg",
              extra={"index.csv": INDEX + "images/cam_0001.jpg,a,day\nimages/cam_0007.jpg,,\n"}))  # fmt: skip
_case("C", "index-without-a-file-column", "an index without the column `file` is refused",
      partial(_refuses, prints=(r"index\.csv", "file"),
              extra={"index.csv": "image,scene\nimages/cam_0001.jpg,a\n"}))  # fmt: skip
_case("C", "image-format-that-is-not-read", "images of another format are named",
      partial(_named_or_refused, counted="1 images, 1 boxes", named=r"cam_0002\.gif",
              extra={"images/cam_0002.gif": b"GIF89a"}))  # fmt: skip
_case("C", "index-with-an-unknown-condition", "a condition that does not exist is refused with its line",
      partial(_refuses, prints=(r"index\.csv", "line 2|nigth-rain"),
              extra={"index.csv": INDEX + "images/cam_0001.jpg,a,nigth-rain\n"}))  # fmt: skip
_case("D", "class-list-with-a-class-twice", "a class that is listed twice is refused",
      partial(_refuses, prints=(r"classes\.json", "fire|twice"), classes=["fire", "fire"]))  # fmt: skip
_case("D", "class-list-that-is-empty", "an empty class list is refused",
      partial(_refuses, prints=(r"classes\.json",), classes=[], labels={}))  # fmt: skip
_case("D", "class-list-of-zero-bytes", "an empty classes.json is refused as empty",
      partial(_refuses, prints=(r"classes\.json", "empty"), classes=b""))  # fmt: skip
_case("D", "base-with-a-foreign-class", "a class that the deployment does not have is refused and named",
      partial(_refuses, prints=("bicycle",), classes=["fire", "bicycle"]))  # fmt: skip
_case("D", "holdout-with-a-foreign-class", "the same in another role",
      partial(_refuses, prints=("bicycle",), classes=["fire", "bicycle"], role="holdout"))  # fmt: skip
_case("E", "class-list-in-utf16", "UTF-16 is one sentence with file and remedy",
      partial(_refuses, prints=(r"classes\.json", "UTF-16", "UTF-8"),
              classes='["fire"]'.encode("utf-16")))  # fmt: skip
_case("E", "label-with-zero-bytes", "a label file of zero bytes characters is no text: one sentence",
      partial(_refuses, prints=(r"cam_0001\.txt",), labels={"cam_0001.txt": b"\0" * 40}))  # fmt: skip
_case("E", "index-in-utf16", "UTF-16 is one sentence with file and remedy",
      partial(_refuses, prints=(r"index\.csv", "UTF-16", "UTF-8"),
              extra={"index.csv": (INDEX + "images/cam_0001.jpg,a,day\n").encode("utf-16")}))  # fmt: skip
_case("A", "image-of-zero-bytes-is-named", "an empty image is refused and named",
      partial(_refuses, prints=(r"cam_0002\.jpg",), extra={"images/cam_0002.jpg": b""}))  # fmt: skip
_case("A", "jpeg-that-claims-four-gigapixels-is-named", "a hostile header is refused and named",
      partial(_refuses, prints=(r"cam_0002\.jpg",), extra={"images/cam_0002.jpg": huge_jpeg()}))  # fmt: skip


def _deep(bench: Bench, suffix: str, channels: int) -> None:
    """A 16-bit image is named with a remedy, or read with a note that says 16 bits."""
    place = labelled(bench.folder / "set", images=["cam_0001.jpg"])
    shape = (180, 320) if channels == 1 else (180, 320, channels)
    deep = (7000 + np.random.default_rng(1).integers(0, 2000, shape)).astype(np.uint16)
    (place / "images" / f"deep_0002{suffix}").write_bytes(cv2.imencode(suffix, deep)[1].tobytes())
    result = data_add(bench, place)
    named = not says(result.text, [r"16.?bit"])
    need(named and result.code in (0, 1), f"16 bits are not mentioned: {result.code}: {result.tail()}")


_case("N", "deep-colour-image", "a 16-bit colour PNG is not squeezed in silence",
      partial(_deep, suffix=".png", channels=3))  # fmt: skip
_case("N", "deep-grey-image-among-others", "a 16-bit grey PNG is not squeezed in silence",
      partial(_deep, suffix=".png", channels=1))  # fmt: skip


@case("N", "a 16-bit background is not squeezed in silence")
def _deep_background(bench: Bench) -> None:
    deep = (7000 + np.random.default_rng(1).integers(0, 2000, (360, 640))).astype(np.uint16)
    (bench.folder / "streets").mkdir()
    cv2.imwrite(str(bench.folder / "streets" / "thermal_0001.png"), deep)
    result = data_add(bench, bench.folder / "streets", role="background")
    need(not says(result.text, [r"16.?bit"]) and result.code in (0, 1), f"not mentioned: {result.tail()}")


@case("C", "labels in `Labels/` and images in `Images/` are read, or refused naming the folder")
def _folders_in_another_case(bench: Bench) -> None:
    place = labelled(bench.folder / "set")
    (place / "labels").rename(place / "Labels")
    added_or_refused(bench, place, "1 images, 1 boxes", "Labels")


@case("D", "`data check` changes nothing and lists every fault at once")
def _data_check_lists_all_faults(bench: Bench) -> None:
    rows = {"cam_0001.txt": "0 0.5 0.5 9 9\n", "cam_0002.txt": "7 0.5 0.5 0.2 0.2\n"}
    place = labelled(bench.folder / "set", images=TWO, labels=rows)
    (place / "images" / "cam_0003.jpg").write_bytes(b"")
    bench.guard(place)
    prints = (r"cam_0001\.txt", r"cam_0002\.txt", r"cam_0003\.jpg")
    result = bench.run("blindspot", "data", "check", place, code=None)
    need(result.code in (1, 3) and not says(result.text, prints), f"not all faults: {result.tail()}")


@case("D", "`data check` of a good folder: counts per class, exit code 0, nothing added")
def _data_check_of_a_good_folder(bench: Bench) -> None:
    place = labelled(bench.folder / "set", images=TWO)
    bench.guard(place)
    bench.run("blindspot", "data", "check", place, prints=["2 images", "fire"])
    need(not (bench.folder / "blindspot-data").exists(), "a data folder was made")


@case("D", "a role that does not exist is refused with those that do")
def _unknown_role(bench: Bench) -> None:
    place = labelled(bench.folder / "set")
    bench.refuses(
        "blindspot", "data", "add", place, "--role", "trainig", prints=("trainig", "base", "holdout")
    )


def _coco(folder: Path, document: dict[str, Any], *names: str) -> Path:
    (folder / "images").mkdir(parents=True)
    for number, name in enumerate(names):
        (folder / "images" / name).write_bytes(encoded(street(320, 180, seed=number)))
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def _coco_document(names: tuple[str, ...], categories: dict[int, str]) -> dict[str, Any]:
    box = {"bbox": [100, 80, 40, 30], "area": 1200, "iscrowd": 0, "segmentation": []}
    images = [{"id": n, "file_name": name, "width": 320, "height": 180} for n, name in enumerate(names, 1)]
    boxes = [{"id": 10 * n + c, "image_id": n, "category_id": c, **box}
             for n in range(1, len(names) + 1) for c in categories]  # fmt: skip
    named = [{"id": c, "name": name} for c, name in categories.items()]
    return {"images": images, "categories": named, "annotations": boxes}


@case("T", "a COCO folder of two categories is read")
def _coco_of_two_categories(bench: Bench) -> None:
    document = _coco_document(TWO, {3: "fire", 90: "smoke"})
    result = data_add(bench, _coco(bench.folder / "coco", document, *TWO))
    need(counts(result, "2 images, 4 boxes"), f"not read: {result.code}: {result.tail()}")


@case("D", "a COCO category that the deployment does not have is refused and named")
def _coco_with_a_foreign_category(bench: Bench) -> None:
    document = _coco_document(TWO, {3: "fire", 90: "toothbrush"})
    result = data_add(bench, _coco(bench.folder / "coco", document, *TWO))
    need(refused(result, "toothbrush"), f"not refused: {result.code}: {result.tail()}")


@case("D", "COCO annotations that are cut are one sentence with the file")
def _coco_that_is_cut(bench: Bench) -> None:
    place = _coco(bench.folder / "coco", _coco_document(TWO, {3: "fire"}), *TWO)
    path = place / "annotations.json"
    path.write_text(path.read_text()[:-40])
    result = data_add(bench, place)
    need(refused(result, r"annotations\.json"), f"not refused: {result.code}: {result.tail()}")


@case("H", "a ZIP file whose names leave its folder writes nothing outside")
def _zip_that_leaves_its_folder(bench: Bench) -> None:
    place = labelled(bench.folder / "set")
    with zipfile.ZipFile(bench.folder / "set.zip", "w") as archive:
        for path in place.rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(place))
        archive.writestr("../../escaped.txt", "out of the folder")
    before = {path for path in bench.folder.rglob("*") if "data" not in path.parts}
    result = data_add(bench, bench.folder / "set.zip")
    need(refused(result, r"escaped\.txt|outside|set\.zip"), f"not refused: {result.code}: {result.tail()}")
    left = {p for p in bench.folder.rglob("*") if "data" not in p.parts and p.name == "escaped.txt"} - before
    need(not left and not (bench.folder.parent / "escaped.txt").exists(), f"written outside: {left}")


@case("T", "a ZIP file of a labelled folder is read")
def _zip_of_a_labelled_folder(bench: Bench) -> None:
    place = labelled(bench.folder / "set", images=TWO)
    shutil.make_archive(str(bench.folder / "set"), "zip", place)
    result = data_add(bench, bench.folder / "set.zip")
    need(counts(result, "2 images, 2 boxes"), f"not read: {result.code}: {result.tail()}")


@case("C", "a `data.yaml` beside images and labels gives the class names")
def _data_yaml_instead_of_a_class_list(bench: Bench) -> None:
    place = labelled(bench.folder / "set", classes=None)
    (place / "data.yaml").write_text("path: .\ntrain: images\nnames:\n  0: fire\n  1: smoke\n")
    added_or_refused(bench, place, "1 images, 1 boxes", r"classes\.json|data\.yaml")


@case("O", "a key that is there twice in data.yaml is refused with its lines")
def _data_yaml_with_a_key_twice(bench: Bench) -> None:
    place = labelled(bench.folder / "set", classes=None)
    (place / "data.yaml").write_text("train: images\nnames: [fire]\nnames: [smoke]\n")
    result = data_add(bench, place)
    need(refused(result, r"data\.yaml", "names", "2", "3"), f"not refused: {result.code}: {result.tail()}")


@case("A", "a symbolic link to nothing among the images is refused and named")
def _image_that_is_a_broken_link(bench: Bench) -> None:
    place = labelled(bench.folder / "set")
    os.symlink(bench.folder / "nothing.jpg", place / "images" / "cam_0002.jpg")
    result = data_add(bench, place)
    need(refused(result, r"cam_0002\.jpg"), f"not refused naming it: {result.code}: {result.tail()}")


@case("H", "removing a dataset leaves the folder it was added from as it was")
def _remove_leaves_the_source(bench: Bench) -> None:
    place = bench.plant(labelled(bench.folder / "set"))
    need(counts(data_add(bench, place), "1 images, 1 boxes"), "not added")
    digest = next(bench.folder.glob("data/datasets/base/*")).name
    bench.run("blindspot", "data", "remove", digest, "--data", bench.folder / "data")
    need(not list(bench.folder.glob("data/datasets/base/*/dataset.json")), "the dataset is still there")


@case("H", "`data remove` of something that is no digest removes nothing")
def _remove_of_a_path(bench: Bench) -> None:
    need(counts(data_add(bench, labelled(bench.folder / "set")), "1 images, 1 boxes"), "not added")
    bench.plant(bench.folder / "data" / "foreign")
    for digest in ("../../foreign", "*", ""):
        result = bench.run("blindspot", "data", "remove", digest, "--data", bench.folder / "data", code=None)
        unknown = says(result.text, ["no such command"])
        need(result.code in (1, 2) and unknown, f"`data remove {digest!r}`: {result.code}: {result.tail()}")
    need(list(bench.folder.glob("data/datasets/base/*/dataset.json")), "the dataset is gone")
