"""A small data set of photographs in the layout of the real one."""

import csv
from pathlib import Path

import cv2
import numpy as np

from cloud.demo.photographs.roles import CAMERA_ROADS

LARGE, SMALL = "1 0.5 0.5 0.2 0.2", "1 0.5 0.5 0.2 0.04"


def data_set(folder: Path) -> Path:
    """Write a data set with every kind of scene that a role consists of; returns the folder."""
    (folder / "data.yaml").parent.mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text("names:\n  0: fire\n  1: pothole\n")
    rows = [
        *(("train", "dnit", scene, SMALL) for scene in CAMERA_ROADS.values()),
        ("train", "dnit", "dnit_DF_010", ""),
        ("train", "dnit", "dnit_DF_010", SMALL),
        ("train", "dnit", "dnit_DF_060", SMALL),
        ("train", "dnit", "dnit_RS_290_290RS150131", LARGE),
        ("train", "dnit", "dnit_RS_290_290RS150131", SMALL),
        *(("train", "potseg", f"potseg_{n}", LARGE) for n in range(4)),
        ("train", "cctvfire", "cctv_courtyard_ch3", "0 0.5 0.5 0.3 0.3"),
        ("train", "cctvfire", "cctv_market", "0 0.5 0.5 0.3 0.3"),
        ("train", "furg", "furg_house6", "0 0.5 0.5 0.3 0.3"),
        ("val", "dnit", "dnit_DF_020", SMALL),
        ("val", "cctvfire", "cctv_plume", ""),
    ]
    header = ["file", "split", "source", "scene", "condition", "width", "height"]
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for number, (split, source, scene, labels) in enumerate(rows):
            name = f"{source}_{number:04d}"
            for part in ("images", "labels"):
                (folder / part / split).mkdir(parents=True, exist_ok=True)
            image = np.full((100, 160, 3), number, np.uint8)
            cv2.imwrite(str(folder / "images" / split / f"{name}.jpg"), image)
            (folder / "labels" / split / f"{name}.txt").write_text(labels)
            writer.writerow([f"images/{split}/{name}.jpg", split, source, scene, "day", 160, 100])
    return folder
