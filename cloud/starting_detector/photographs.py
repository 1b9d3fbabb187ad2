"""Photographs for training the starting detector: those whose licence is certain.

Reads a data set in the layout of `data/hazards` (images/train, labels/train, data.yaml, index.csv with a
`source` column) and writes a labelled folder.
"""

import csv
import shutil
from pathlib import Path

import yaml

from cloud.data.labelled_images import write_class_names
from cloud.errors import DataRefused

CERTAIN_SOURCES = frozenset({"dfire", "furg", "dnit", "intel"})


def certain_photographs(data: Path, folder: Path) -> Path:
    """Copy the train photographs of certain licence into a labelled folder. Returns the folder.

    Raises `DataRefused` when `data` has another layout.
    """
    try:
        names = yaml.safe_load((data / "data.yaml").read_text())["names"]
        with (data / "index.csv").open(newline="") as file:
            rows = [
                r for r in csv.DictReader(file) if r["split"] == "train" and r["source"] in CERTAIN_SOURCES
            ]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise DataRefused(
            f"{data} is not the hazards data set ({error!r}); it needs data.yaml and index.csv"
        ) from error
    write_class_names(folder, [names[index] for index in sorted(names)])
    for row in rows:
        image = data / row["file"]
        shutil.copyfile(image, folder / "images" / image.name)
        labels = data / "labels" / image.relative_to(data / "images").with_suffix(".txt")
        if labels.exists():
            shutil.copyfile(labels, folder / "labels" / labels.name)
    return folder
