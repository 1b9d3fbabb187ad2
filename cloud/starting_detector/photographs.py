"""Photographs for training the starting detector: those whose licence is certain.

Reads a data set in the layout of `data/hazards` (images/train, labels/train, data.yaml, index.csv with a
`source` column) and writes a labelled folder.
"""

import shutil
from pathlib import Path

from cloud.data.labelled_images import write_class_names
from cloud.data.photograph_index import read_photograph_index

CERTAIN_SOURCES = frozenset({"dfire", "furg", "dnit", "intel"})


def certain_photographs(data: Path, folder: Path) -> Path:
    """Copy the train photographs of certain licence into a labelled folder. Returns the folder.

    Raises `DataRefused` when `data` has another layout.
    """
    names, rows = read_photograph_index(data, "train")
    write_class_names(folder, names)
    for row in rows:
        if row.values["source"] in CERTAIN_SOURCES:
            shutil.copyfile(row.image, folder / "images" / row.image.name)
            if row.labels.exists():
                shutil.copyfile(row.labels, folder / "labels" / row.labels.name)
    return folder
