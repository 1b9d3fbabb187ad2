"""Handed inputs of labelled folders: encodings, class lists, label files, COCO, odd pixels."""

import shutil
from functools import partial
from pathlib import Path

from tests.trouble.bench import Bench, Result, says
from tests.trouble.case import Case, Wrong, add, case, need
from tests.trouble.parts import handed_folder, labelled, put_image


def data_add(
    bench: Bench, folder: Path, *options: str, role: str = "base", code: int | None = None
) -> Result:
    """`blindspot data add` into the case's data folder."""
    return bench.run(
        "blindspot",
        "data",
        "add",
        folder,
        "--role",
        role,
        "--data",
        bench.folder / "data",
        *options,
        code=code,
    )


def counts(result: Result, text: str) -> bool:
    """Whether the command succeeded with these counts, as `1 images, 1 boxes`."""
    pattern = rf"\b{text.replace('images', 'images?').replace('boxes', 'box(es)?')}"
    return result.code == 0 and not says(result.text, [pattern])


def refused(result: Result, *prints: str) -> bool:
    """Whether it failed with a sentence that contains all of these."""
    return result.code == 1 and not says(result.text, prints)


def added_or_refused(bench: Bench, folder: Path, text: str, *prints: str) -> None:
    """Either read with these counts or refused with these words; nothing may be lost in silence."""
    result = data_add(bench, folder)
    if not (counts(result, text) or refused(result, *prints)):
        raise Wrong(f"neither `{text}` nor refused naming {prints}: {result.code}: {result.tail()}")


# 01: index.csv
def _index(bench: Bench, kind: str, *, clear: bool) -> None:
    made = handed_folder(bench, "case01_index_csv_from_excel.py")
    result = data_add(bench, made / kind)
    if result.code == 1 and not clear:
        need(
            not says(result.text, ["index.csv", "comma|semicolon|column"]),
            f"refused without why: {result.tail()}",
        )
        return
    need(counts(result, "2 images, 2 boxes"), f"not added: {result.tail()}")
    other = labelled(bench.folder / "other", images=["IMG_0009.jpg"])
    (other / "index.csv").write_text("file,scene,condition\nimages/IMG_0009.jpg,tunnel,night-rain\n")
    leak = data_add(bench, other, role="holdout")
    need(refused(leak, "tunnel", "base"), f"scene tunnel went into the holdout too: {leak.tail()}")


for _kind, _what, _clear in (
    ("a", "a byte-order mark", True),
    ("b", "semicolons", False),
    ("c", "back-slashes", True),
    ("d", "plain rows", True),
):
    add(
        Case(
            f"C-handed-01{_kind}-index-with-{_what.replace(' ', '-')}",
            "C",
            f"index.csv with {_what}: scenes are kept, so that the holdout leak is refused, or it is refused",
            partial(_index, kind=_kind, clear=_clear),
            "case01_index_csv_from_excel.py",
        )
    )


# 02: encodings
def _encoding(bench: Bench, kind: str, prints: tuple[str, ...]) -> None:
    made = handed_folder(bench, "case02_label_text_encodings.py")
    result = data_add(bench, made / kind)
    if not prints:
        need(counts(result, "1 images, 1 boxes"), f"not read: {result.code}: {result.tail()}")
    else:
        need(refused(result, *prints), f"not refused naming {prints}: {result.code}: {result.tail()}")


for _kind, _prints in (
    ("bom", ()),
    ("utf16", ("cam_0001.txt", "UTF-16", "save.* UTF-8")),
    ("cp1252_index", ("index.csv", "line 2", "UTF-8")),
    ("crlf_blank", ()),
    ("bom_classes", ()),
):
    add(
        Case(
            f"E-handed-02-{_kind}",
            "E",
            "a byte-order mark is accepted; another encoding is one sentence with file and remedy",
            partial(_encoding, kind=_kind, prints=_prints),
            "case02_label_text_encodings.py",
        )
    )


# 03: class lists
def _classes(bench: Bench, kind: str, readable: bool, prints: tuple[str, ...]) -> None:
    made = handed_folder(bench, "case03_class_list_not_a_list.py")
    result = data_add(bench, made / kind)
    if readable and counts(result, "1 images, 1 boxes"):
        return
    need(refused(result, "classes.json", *prints), f"not refused on entry: {result.code}: {result.tail()}")
    bench.run("blindspot", "data", "list", "--data", bench.folder / "data", prints=["No data yet"])


for _kind, _what, _readable, _prints in (
    ("a", "a mapping", True, ("list",)),
    ("b", "a mapping with names", True, ("list",)),
    ("c", "a string", False, ("list",)),
    ("d", "upper case and blanks", False, ("Fire",)),
    ("e", "foreign classes", False, ("person",)),
    ("f", "numbers", False, ("name",)),
):
    add(
        Case(
            f"D-handed-03{_kind}-classes-are-{_what.replace(' ', '-')}",
            "D",
            f"classes.json with {_what} is refused on entry (or read where it is clear), nothing is added",
            partial(_classes, kind=_kind, readable=_readable, prints=_prints),
            "case03_class_list_not_a_list.py",
        )
    )


# 05: labels that nobody claims
def _unclaimed(bench: Bench, kind: str, label: str) -> None:
    made = handed_folder(bench, "case05_labels_nobody_claims.py")
    added_or_refused(bench, made / kind, "1 images, 1 boxes", label)


for _kind, _what, _label in (
    ("a", "in-a-folder", "a_0001.txt"),
    ("b", "in-another-case", "cam_0001.txt"),
    ("c", "in-another-unicode-form", "0001.txt"),
    ("d", "jpg-txt", "d_0001.jpg.txt"),
    ("e", "upper-case-suffix", "e_0001.TXT"),
):
    add(
        Case(
            f"C-handed-05{_kind}-label-{_what}",
            "C",
            "a label file is claimed by its image, or the folder is refused and the file is named",
            partial(_unclaimed, kind=_kind, label=_label),
            "case05_labels_nobody_claims.py",
        )
    )


@case("T", "the help names COCO and a COCO folder is read, or refused naming what is missing",
      handed="case06_coco_folder.py")  # fmt: skip
def _handed_06_coco_folder(bench: Bench) -> None:
    bench.handed("case06_coco_folder.py", bench.folder / "coco")
    result = data_add(bench, bench.folder / "coco")
    if result.code == 0:
        need(not says(result.text, ["1 images, 1 boxes", r"gone\.jpg", "crowd"]),
             f"crowd box and missing image are not named: {result.tail()}")  # fmt: skip
        return
    need(refused(result, r"gone\.jpg"), f"neither read nor refused naming gone.jpg: {result.tail()}")
    put_image(bench.folder / "coco" / "images" / "gone.jpg", seed=77)
    again = data_add(bench, bench.folder / "coco")
    need(counts(again, r"2 images, 1 boxes"), f"not read with both images there: {again.tail()}")


@case("N", "a 16-bit image is stretched with a note, or refused with the remedy",
      handed="case10_deep_and_odd_pixels.py")  # fmt: skip
def _handed_10_thermal_image(bench: Bench) -> None:
    bench.handed("case10_deep_and_odd_pixels.py", bench.folder / "in")
    for name in ("alpha", "grey", "cmyk", "exif", "one", "strip"):
        for path in bench.folder.glob(f"in/*/{name}_*"):
            path.unlink()
    result = data_add(bench, bench.folder / "in")
    need(not says(result.text, ["thermal_0001.png|1 images? .*16", "16.?bit"]) and result.code in (0, 1),
         f"16 bits are not mentioned: {result.code}: {result.tail()}")  # fmt: skip


@case("N", "grey, CMYK, EXIF-rotated, transparent and 1x1 images are read",
      handed="case10_deep_and_odd_pixels.py")  # fmt: skip
def _handed_10_odd_images(bench: Bench) -> None:
    bench.handed("case10_deep_and_odd_pixels.py", bench.folder / "in")
    for path in [*bench.folder.glob("in/*/thermal_*"), *bench.folder.glob("in/*/strip_*")]:
        path.unlink()
    result = data_add(bench, bench.folder / "in")
    need(counts(result, "5 images, 5 boxes"), f"not read: {result.code}: {result.tail()}")


@case("N", "a image of one row is read, or refused by name", handed="case10_deep_and_odd_pixels.py")
def _handed_10_strip(bench: Bench) -> None:
    bench.handed("case10_deep_and_odd_pixels.py", bench.folder / "in")
    for path in bench.folder.glob("in/*/[!s]*_0001.*"):
        path.unlink()
    added_or_refused(bench, bench.folder / "in", "1 images, 1 boxes", r"strip_0001\.png")


# 28: label rows
def _row(bench: Bench, kind: str, expected: str | None) -> None:
    made = handed_folder(bench, "case28_label_rows.py")
    result = data_add(bench, made / kind)
    if kind == "twice" and counts(result, "1 images, 1 boxes"):
        need(not says(result.text, [r"twice_0001\.txt line 2"]), f"a row is lost in silence: {result.tail()}")
    elif expected is not None:
        need(counts(result, expected), f"not `{expected}`: {result.code}: {result.tail()}")
    else:
        need(
            refused(result, rf"{kind}_0001\.txt.{{0,3}} line 1"),
            f"not refused with file and line: {result.tail()}",
        )
        need(not list(bench.folder.glob("data/datasets/*/*/dataset.json")), "something was added")


for _kind, _expected in {
    "polygon": None,
    "confidence": None,
    "commas": None,
    "index": None,
    "float_class": None,
    "pixels": None,
    "negative": None,
    "over": "1 images, 1 boxes",
    "nan": None,
    "empty": "1 images, 0 boxes",
    "ignore": None,
    "name": None,
    "decimal_comma": None,
    "zero_area": None,
    "twice": "1 images, 2 boxes",
}.items():
    add(
        Case(
            f"D-handed-28-row-{_kind.replace('_', '-')}",
            "D",
            f"a label row with `{_kind}`: {_expected or 'refused with file and line'}",
            partial(_row, kind=_kind, expected=_expected),
            "case28_label_rows.py",
        )
    )


@case("D", "a dataset that was added by mistake can be removed", handed="case03_class_list_not_a_list.py")
def _handed_03_data_remove(bench: Bench) -> None:
    folder = labelled(bench.folder / "mistake")
    need(counts(data_add(bench, folder), "1 images, 1 boxes"), "not added")
    digest = next(bench.folder.glob("data/datasets/base/*")).name
    shutil.rmtree(folder)
    bench.run("blindspot", "data", "remove", digest, "--data", bench.folder / "data")
    bench.run("blindspot", "data", "list", "--data", bench.folder / "data", prints=["No data yet"])
