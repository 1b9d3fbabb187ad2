"""The data set of photographs: `data.yaml`, and an `index.csv` with source, scene and split of each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.data.boxes import NormalisedBox, parse_rows
from cloud.data.faults import DataFindings, refuse
from cloud.data.formats.data_yaml import parse_data_yaml
from cloud.data.index_file import FILE, SPLIT, parse_index
from cloud.errors import DataRefused
from messaging.errors import FileFault
from messaging.runtime.text_files import read_text

_COLUMNS = (FILE, SPLIT, "source")


@dataclass(frozen=True)
class PhotographRow:
    """One row of the index: the image, its label file, and the columns by name."""

    image: Path
    labels: Path
    values: dict[str, str]


def read_photograph_index(data: Path, split: str) -> tuple[tuple[str, ...], tuple[PhotographRow, ...]]:
    """Class names, and the rows of one split in the order of the index. Raises `DataRefused`."""
    findings = DataFindings()
    try:
        parsed = parse_data_yaml(read_text(data / "data.yaml"), "data.yaml", findings)
        rows = parse_index(read_text(data / "index.csv"), "index.csv", findings)
    except FileFault as error:
        raise DataRefused(
            f"{data} is not the hazards data set ({error}); it needs data.yaml and index.csv"
        ) from None
    for column in _COLUMNS:
        if rows and column not in rows[0].values:
            findings.fault("index.csv", f"no column {column!r}", "use the index of the data set", line=1)
    refuse(str(data), findings.faults)
    assert parsed is not None
    return parsed.class_names, tuple(
        _row(data, dict(row.values)) for row in rows if row.values[SPLIT] == split
    )


def read_labels(path: Path, class_names: Sequence[str]) -> tuple[NormalisedBox, ...]:
    """The boxes of one label file; a missing file has none. Raises `DataRefused` or `FileFault`."""
    if not path.exists():
        return ()
    findings = DataFindings()
    boxes = parse_rows(read_text(path), class_names, path.name, findings)
    refuse(str(path.parent), findings.faults)
    return boxes


def _row(data: Path, values: dict[str, str]) -> PhotographRow:
    inside = values[FILE].removeprefix("images/")
    return PhotographRow(data / values[FILE], (data / "labels" / inside).with_suffix(".txt"), values)
