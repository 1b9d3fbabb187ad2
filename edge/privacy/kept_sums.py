"""The file that keeps a camera's sums of prototypes over restarts of the node.

It holds sums without noise and never leaves the site. Only appearances that were over are in it, so an object
in view during a restart is counted once, afterwards. A sum that was released just before a crash may come
back: its second release is paid like the first. Nothing is lost by a damaged file but the sums.
"""

import logging
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from edge.vision.prototypes import PrototypeBook, PrototypeKey
from messaging.errors import FileFault
from messaging.fields import Digest, Slug
from messaging.runtime.state_files import PatientFile, StateFile
from messaging.taxonomy import Condition, Light, Weather

logger = logging.getLogger(__name__)


class KeptSum(BaseModel):
    """One sum: its key, how many vectors it holds, and how often sums of this key were released before."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    class_name: Slug
    light: Light
    weather: Weather
    embedding_digest: Digest
    vectors: int = Field(ge=0)
    released: int = Field(ge=0, le=60)
    total: tuple[float, ...]


class KeptSums(BaseModel):
    """The whole file. `clip_norm` is the length of every vector that was added."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    version: Literal[1] = 1
    clip_norm: float
    sums: tuple[KeptSum, ...]


class SumsFile:
    """Reads the sums back once, and writes those that changed."""

    def __init__(self, path: Path) -> None:
        self._state, self._file = StateFile(path, KeptSums), PatientFile(path, f"prototype sums {path.stem}")
        self._kept = self._next = KeptSums(clip_norm=0.0, sums=())

    def fill(self, book: PrototypeBook, embedding_digest: str) -> None:
        """Put the sums of this embedding space into a new book, if it takes vectors of their length."""
        try:
            kept = self._state.read()
        except FileFault as fault:
            logger.warning("prototypes of %s begin again: %s", self._state.path.stem, fault)
            return
        for one in kept.sums if kept is not None and kept.clip_norm == book.clip_norm else ():
            if one.embedding_digest == embedding_digest and len(one.total) == book.width:
                key = PrototypeKey(one.class_name, Condition(one.light, one.weather), one.embedding_digest)
                book.restore(key, np.asarray(one.total), vectors=one.vectors, taken=one.released)

    def note(self, book: PrototypeBook) -> None:
        """Take what the book holds now; `write` writes it."""
        sums = tuple(
            KeptSum(
                class_name=key.class_name,
                light=key.condition.light,
                weather=key.condition.weather,
                embedding_digest=key.embedding_digest,
                vectors=vectors,
                released=taken,
                total=tuple(total.tolist()),
            )
            for key, total, vectors, taken in book.contents()
        )
        self._next = KeptSums(clip_norm=book.clip_norm, sums=sums)

    def write(self) -> None:
        """Write what was noted, if it differs from the file; a full disk is waited for."""
        if self._next != self._kept:
            self._kept = self._next
            self._file.write(self._next.model_dump_json().encode())
        self._file.retry()
