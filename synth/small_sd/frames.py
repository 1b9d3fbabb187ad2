"""Drawn training images on disk: each scene with and without its hazards, and the boxes.

Drawing is slow and cutting is fast, so the images are kept: crops can be cut again, with another detector's
embeddings, without drawing again. Images are JPEG of quality 97. Nothing here imports torch.
"""

import json
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from edge.errors import ImageRefused
from edge.vision.image_files import read_image
from messaging.runtime.atomic_files import write_atomically
from messaging.taxonomy import Condition, Light, Weather
from synth.errors import SynthesisError
from synth.small_sd.work_files import reading
from synth.street.stills import draw_pair
from synth.street.values import DrawnBox, DrawnFrame
from synth.street.worlds import WorldName

_HAZARDS = 5
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 97]
_LIGHTS = ((Light.DAY, 0.3), (Light.DUSK, 0.15), (Light.NIGHT, 0.55))
_WEATHERS = ((Weather.CLEAR, 0.34), (Weather.RAIN, 0.27), (Weather.FOG, 0.27), (Weather.SNOW, 0.12))


def random_scene(rng: np.random.Generator) -> Condition:
    """A random condition; night and bad weather come more often than in life."""
    light = rng.choice([k for k, _ in _LIGHTS], p=[p for _, p in _LIGHTS])
    weather = rng.choice([k for k, _ in _WEATHERS], p=[p for _, p in _WEATHERS])
    return Condition(Light(light), Weather(weather))


def draw_frames(folder: Path, seeds: Sequence[int], processes: int) -> None:
    """Draw the scenes of these seeds that `folder` does not hold yet."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [(folder, seed) for seed in seeds if not _description(folder, seed).exists()]
    with get_context("spawn").Pool(processes) as pool:
        for _ in pool.imap_unordered(_draw, missing, chunksize=16):
            pass


def read_frames(folder: Path) -> Iterator[tuple[DrawnFrame, DrawnFrame]]:
    """The pairs in `folder` by seed, with hazards first. Raises `SynthesisError` when one is damaged."""
    for path in sorted(folder.glob("*.json")):
        with reading(path):
            fields = json.loads(path.read_text())
            condition = Condition.parse(fields["condition"])
            boxes = tuple(
                DrawnBox(b["class_name"], tuple(b["xyxy"]), i) for i, b in enumerate(fields["boxes"])
            )
        try:
            hazard, empty = (read_image(path.with_suffix(f".{part}.jpg")) for part in ("hazard", "empty"))
        except ImageRefused as error:
            raise SynthesisError(
                f"drawn pair {path} is damaged; delete it and train again ({error})"
            ) from None
        yield DrawnFrame(hazard, boxes, condition, 0, 0.0), DrawnFrame(empty, (), condition, 0, 0.0)


def _description(folder: Path, seed: int) -> Path:
    return folder / f"{seed:07d}.json"


def _draw(job: tuple[Path, int]) -> None:
    folder, seed = job
    condition = random_scene(np.random.default_rng([seed, 1]))
    cv2.setNumThreads(1)
    frame, empty = draw_pair(
        world=WorldName.GENERATOR, seed=seed, condition=condition, hazards=_HAZARDS, sensor=False
    )
    path = _description(folder, seed)
    cv2.imwrite(str(path.with_suffix(".hazard.jpg")), frame.image, _QUALITY)
    cv2.imwrite(str(path.with_suffix(".empty.jpg")), empty.image, _QUALITY)
    boxes = [{"class_name": b.class_name, "xyxy": [float(v) for v in b.xyxy]} for b in frame.boxes]
    write_atomically(path, json.dumps({"condition": condition.key, "boxes": boxes}).encode())
