"""`index.csv`: scene and condition of each image, as written by hand, by a spreadsheet or by a program.

Columns are found by name; commas, semicolons or tabs divide them; paths may have back-slashes. A row without
its image, an image without a row, and a word outside the vocabulary are faults.
"""

import csv
import difflib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud.data.faults import DataFindings, some
from cloud.data.formats.pairing import bare, plain, stem
from messaging.taxonomy import Condition, Light, Weather

INDEX = "index.csv"
FILE, SCENE, CONDITION, SPLIT = "file", "scene", "condition", "split"
COLUMNS = (FILE, SCENE, CONDITION, SPLIT)
MOST_SCENE_LETTERS = 200
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class IndexRow:
    """One row: its line and its values by column, without surrounding blanks."""

    line: int
    values: Mapping[str, str]


def parse_index(text: str, where: str, findings: DataFindings) -> tuple[IndexRow, ...]:
    """All rows, in order. A row with another number of fields than the head is a fault."""
    lines = text.splitlines(keepends=True)
    skipped = 1 if lines and re.match(r"sep=.\s*$", lines[0], re.IGNORECASE) else 0
    head = lines[skipped] if len(lines) > skipped else ""
    delimiter = max(_DELIMITERS, key=lambda mark: re.sub(r'"[^"]*"', "", head).count(mark))
    reader = csv.reader(io.StringIO("".join(lines[skipped:]), newline=""), delimiter=delimiter, strict=True)
    rows: list[IndexRow] = []
    try:
        columns = [name.strip().casefold() for name in next(reader, [])]
        if not _check_columns(columns, where, findings):
            return ()
        for fields in reader:
            line = reader.line_num + skipped
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(columns):
                what = f"{len(fields)} fields, but the head has {len(columns)}"
                findings.fault(where, what, "put a field that holds the delimiter in quotes", line=line)
                continue
            values = {name: field.strip() for name, field in zip(columns, fields, strict=True)}
            rows.append(IndexRow(line, values))
    except csv.Error as error:
        findings.fault(where, f"no table ({error})", "save it as CSV", line=reader.line_num + skipped)
    if not rows:
        findings.fault(where, "holds no rows", "write a row for every image, or remove it")
    return tuple(rows)


def match_rows(
    rows: Sequence[IndexRow], images: Sequence[str], others: Sequence[str], findings: DataFindings
) -> dict[str, IndexRow]:
    """The row of each image. Rows without image, images without row, and second rows are faults.

    `others` are images that may have a row and need none.
    """
    where = INDEX
    matched: dict[str, IndexRow] = {}
    find, find_any = _Finder(images), _Finder([*images, *others])
    for row in rows:
        written = row.values[FILE]
        found = find(written) or find_any(written)
        if len(found) != 1:
            what = (
                f"{written!r} is the name of {len(found)} images"
                if found
                else f"there is no image {written!r}"
            )
            findings.fault(where, what, "write the path of an image of this dataset", line=row.line)
        elif found[0] in matched:
            what = f"a second row for {found[0]}, after line {matched[found[0]].line}"
            findings.fault(where, what, "remove one of them", line=row.line)
        else:
            matched[found[0]] = row
    missing = [image for image in images if image not in matched]
    if missing and rows:
        what = f"has no row for {len(missing)} of {len(images)} images: {some(missing)}"
        findings.fault(where, what, "add a row for each, or remove the index")
    return matched


def scene_of(name: str) -> str:
    """The scene of a file name: the part before its last number (`cam3_0042` -> `cam3`).

    A name that is a condition gives `images-night`, since an index refuses a condition as a scene.
    """
    scene = re.sub(r"[_-]?\d+$", "", name) or name
    return scene if parse_condition(scene) is None else f"images-{scene}"


def parse_scene(text: str, where: str, line: int, findings: DataFindings) -> str | None:
    """A scene; None where none is given. A scene named as a condition is a fault."""
    if not text:
        return None
    if len(text) > MOST_SCENE_LETTERS or not text.isprintable():
        findings.fault(where, f"scene {text[:40]!a} is too long or not printable", "shorten it", line=line)
    elif parse_condition(text) is not None:
        what = f"scene {text!r} is a condition; a scene is the place where the image was taken"
        findings.fault(where, what, "write the place, and light and weather under `condition`", line=line)
    return text


def parse_condition(text: str) -> Condition | None:
    """The condition of `night-rain`, of a light or a weather alone, or of nothing; None for other words."""
    words = [word for word in re.split(r"[\s_/+-]+", text.strip().lower()) if word]
    lights = [word for word in words if word in set(Light) - {"unknown"}]
    weathers = [word for word in words if word in set(Weather) - {"unknown"}]
    known = len(lights) + len(weathers) + words.count("unknown")
    if known != len(words) or len(words) > 2 or len(lights) > 1 or len(weathers) > 1:
        return None
    return Condition(
        Light(lights[0]) if lights else Light.UNKNOWN, Weather(weathers[0]) if weathers else Weather.UNKNOWN
    )


def condition_remedy(text: str) -> str:
    """What to write instead of a word that is no condition."""
    keys = [Condition(light, weather).key for light in Light for weather in Weather]
    near = difflib.get_close_matches(plain(text), [*keys, *Light, *Weather], n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}write LIGHT-WEATHER, light of {', '.join(Light)}, weather of {', '.join(Weather)}"


def _check_columns(columns: Sequence[str], where: str, findings: DataFindings) -> bool:
    twice = sorted({name for name in columns if name in COLUMNS and columns.count(name) > 1})
    unknown = [name for name in columns if name not in COLUMNS]
    for name in unknown:
        absent = [known for known in COLUMNS if known not in columns]
        near = difflib.get_close_matches(name, absent, n=1, cutoff=0.75)
        if near:
            what = f"column {name!r} is unknown; did you mean {near[0]!r}?"
            findings.fault(where, what, "rename or remove it", line=1)
    if twice:
        findings.fault(where, f"column {twice[0]!r} is there twice", "remove one of them", line=1)
    if FILE not in columns:
        what = f"no column `file`; its columns are {some([*columns]) or 'none'}"
        findings.fault(where, what, "name the columns file, scene, condition in the first row", line=1)
        return False
    if unknown:
        findings.note(f"{where}: columns not read: {', '.join(unknown)}")
    return not twice


class _Finder:
    """Finds images by a path as it is written in an index."""

    def __init__(self, images: Sequence[str]) -> None:
        self._by_path = {image: image for image in images}
        self._by_name: dict[str, list[str]] = {}
        for image in images:
            name = plain(image.rpartition("/")[2])
            for key in {name, stem(name)}:
                self._by_name.setdefault(key, []).append(image)

    def __call__(self, written: str) -> list[str]:
        """The images that a path may mean: the exact one, or those whose ends agree with it."""
        path = re.sub(r"/+", "/", written.replace("\\", "/")).removeprefix("./")
        if path in self._by_path:
            return [path]
        named = self._by_name.get(plain(path.rpartition("/")[2]), [])
        agreeing = [image for image in named if _ends_agree(plain(path), plain(image))]
        exact = [image for image in agreeing if image.rpartition("/")[2] == path.rpartition("/")[2]]
        return exact if len(exact) == 1 else agreeing


def _ends_agree(written: str, image: str) -> bool:
    """Whether the folders of two paths agree as far as both name any; `images` may be missing in either."""
    left, right = bare(written).split("/")[:-1], bare(image).split("/")[:-1]
    shorter = min(len(left), len(right))
    return shorter == 0 or left[-shorter:] == right[-shorter:]
