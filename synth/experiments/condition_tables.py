"""Makes `edge/vision/condition_tables.py`: draws streets of four worlds, fits, prints the module.

    python -m synth.experiments.condition_tables fit [PHOTOGRAPHS] > edge/vision/condition_tables.py
    python -m synth.experiments.condition_tables check footage holdout

FOOTAGE and HOLDOUT take no part. Every other image was encoded as mp4v. PHOTOGRAPHS is a folder with
`index.csv`; of its train split only sources of certain licence are used, as clear days (dfire: days).
"""

import csv
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.condition_tables import LinearTable
from edge.vision.conditions import (
    ConditionMemory,
    frame_conditions,
    image_statistics,
    light_features,
    weather_features,
)
from edge.vision.image_files import read_image
from edge.vision.video_files import VideoFile
from messaging.taxonomy import Condition, Light, Weather
from synth.street import StreetCamera, WorldName, draw_still

Rows = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

CONDITIONS = (
    "day-clear",
    "night-clear",
    "day-rain",
    "night-rain",
    "day-fog",
    "night-fog",
    "dusk-clear",
    "dusk-rain",
    "dusk-fog",
    "day-snow",
    "night-snow",
)
LIGHTS, WEATHERS = ("day", "dusk", "night"), ("clear", "rain", "fog", "snow")
CERTAIN = {"dfire", "furg", "dnit", "intel"}


WORLDS = (WorldName.BASE, WorldName.REFERENCE, WorldName.GENERATOR, WorldName.BACKGROUND)
STREETS = 26


def samples(world: WorldName) -> Iterator[tuple[str, Image]]:
    """Streets under every condition (fewer at dusk), every other one as a frame of a video."""
    for key in CONDITIONS:
        for i in range(0, STREETS, 2 if key.startswith("dusk") else 1):
            image = draw_still(world=world, seed=7000 + i, condition=Condition.parse(key)).image
            yield key, through_mp4([image] * 3)[-1] if i % 4 > 1 else image


def footage(world: WorldName, key: str, seed: int, frames: int = 24) -> list[Image]:
    """Frames of a drawn camera after mp4v."""
    camera = StreetCamera(world=world, seed=500 + seed, condition=Condition.parse(key))
    return through_mp4([frame.image for frame in camera.frames(frames)])


def through_mp4(frames: list[Image]) -> list[Image]:
    """Frames after encoding as mp4v and decoding."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/street.mp4"
        size = frames[0].shape[1], frames[0].shape[0]
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), 5.0, size)
        for frame in frames:
            writer.write(frame)
        writer.release()
        images: list[Image] = []
        with VideoFile(Path(path)) as video:
            while (read := video.read()) is not None:
                images.append(read.image)
        return images


def photographs(folder: Path) -> Iterator[tuple[str, Image]]:
    """Photographs by day of certain licence, train split; (source, image)."""
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["split"] == "train" and row["source"] in CERTAIN and row["condition"] == "day":
            yield row["source"], read_image(folder / row["file"])


def fit_softmax(
    rows: Rows, labels: npt.NDArray[np.int64], weight: Rows, tags: tuple[str, ...]
) -> LinearTable:
    """Weighted multinomial logistic regression with a little L2, by gradient descent with momentum."""
    centre, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    inputs = np.c_[(rows - centre) / spread, np.ones(len(rows))]
    answer, target = np.zeros((inputs.shape[1], len(tags))), np.eye(len(tags))[labels]
    pull, weight = np.zeros_like(answer), weight / weight.mean()
    decay = np.r_[np.full(inputs.shape[1] - 1, 1e-3), 0.0][:, None]
    for _ in range(3000):
        scores = inputs @ answer
        chance = np.exp(scores - scores.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        pull = 0.9 * pull + inputs.T @ ((chance - target) * weight[:, None]) / len(rows) + decay * answer
        answer -= 0.3 * pull
    table = np.round(answer, 3)
    return LinearTable(tags, tuple(centre), tuple(spread), tuple(map(tuple, table[:-1].T)), tuple(table[-1]))


def weights(keys: list[str], dusk: float, photos: int, photo_fraction: float, *, snow: float = 1.0) -> Rows:
    """Every condition weighs the same; dusk and snow less, so that they win fewer frequent images."""
    rare = [(dusk if k.startswith("dusk") else 1.0) * (snow if k.endswith("snow") else 1.0) for k in keys]
    each = np.asarray([r / keys.count(k) for r, k in zip(rare, keys, strict=True)])
    return np.asarray(np.r_[each / len(CONDITIONS), np.full(photos, photo_fraction / max(photos, 1))])


def fit(folder: Path | None) -> str:
    """The text of the tables' module."""
    keys, values = [], []
    for world in WORLDS:
        for key, image in samples(world):
            keys.append(key)
            values.append(image_statistics(image))
    photos = [] if folder is None else [(s, image_statistics(i)) for s, i in photographs(folder)]
    clear = [v for source, v in photos if source != "dfire"]
    light = fit_softmax(
        np.stack([light_features(v) for v in [*values, *(v for _, v in photos)]]),
        np.asarray([LIGHTS.index(k.split("-")[0]) for k in keys] + [0] * len(photos)),
        weights(keys, 0.15, len(photos), 0.05),
        LIGHTS,
    )
    weather = fit_softmax(
        np.stack([weather_features(v) for v in [*values, *clear]]),
        np.asarray([WEATHERS.index(k.split("-")[1]) for k in keys] + [0] * len(clear)),
        weights(keys, 0.4, len(clear), 0.3, snow=0.1),
        WEATHERS,
    )
    head = Path("edge/vision/condition_tables.py").read_text().split("LIGHT_TABLE =")[0]
    return head + f"LIGHT_TABLE = {written(light)}\nWEATHER_TABLE = {written(weather)}"


def written(table: LinearTable) -> str:
    """Source text of a table."""

    def numbers(row: tuple[float, ...], indent: str) -> str:
        lines, line = [], indent
        for value in row:
            text = f"{float(value):.5g}, "
            if len(line) + len(text) > 108:
                lines.append(line.rstrip())
                line = indent
            line += text
        return "\n".join([*lines, line.rstrip()])

    rows = "\n".join(f"        (\n{numbers(r, ' ' * 12)}\n        )," for r in table.weights)
    tags = ", ".join(f'"{tag}"' for tag in table.tags)
    return (
        f"LinearTable(\n    tags=({tags}),\n"
        f"    centre=(\n{numbers(table.centre, ' ' * 8)}\n    ),\n    spread=(\n"
        f"{numbers(table.spread, ' ' * 8)}\n    ),\n    weights=(\n{rows}\n    ),\n"
        f"    offset=({', '.join(f'{float(v):g}' for v in table.offset)}),\n)\n"
    )


def check(world: WorldName, seeds: int = 4) -> None:
    """Print the fraction of right tags per frame and after smoothing, by condition."""
    for key in CONDITIONS:
        right: dict[str, list[bool]] = {
            name: [] for name in ("light", "weather", "light, steady", "weather, steady")
        }
        light, weather = Light(key.split("-")[0]), Weather(key.split("-")[1])
        for seed in range(seeds):
            memory = ConditionMemory(interval_s=0.0)
            for i, image in enumerate(footage(world, key, seed)):
                now, steady = frame_conditions(image), memory.observe(image, i / 5)
                right["light"].append(now.light is light)
                right["weather"].append(now.weather is weather)
                right["light, steady"].append(steady.light is light)
                right["weather, steady"].append(steady.weather is weather)
        fractions = "  ".join(f"{k} {np.mean(v):.3f}" for k, v in right.items())
        sys.stdout.write(f"{world} {key:12} {fractions}\n")


if __name__ == "__main__":
    if sys.argv[1] == "fit":
        sys.stdout.write(fit(Path(sys.argv[2]) if len(sys.argv) > 2 else None))
    else:
        for name in sys.argv[2:]:
            check(WorldName(name))
