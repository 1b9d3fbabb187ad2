"""The noise covers what one object can change, measured on data sets that differ in one object.

Nothing here uses the formula of the noise: the largest change is searched among replaced members, and the
cost of a release is the literal mu of its epsilon (dp-accounting: 0.2681 for 1 and 1.6660 for 8, at delta
1e-5).
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge.privacy.appearances import Contribution
from edge.privacy.camera_prototypes import CameraPrototypes
from edge.privacy.release import release_prototype
from edge.settings import CameraSettings, PrivacySettings
from edge.vision.detections import Floats
from edge.vision.prototypes import PrototypeBook
from messaging.reports import ClassPrototype
from tests.edge.privacy.test_accountant import DAY, KEY, START, Clock, Silence, account, opened
from tests.support.fake_detector import describe

MU_OF_1, MU_OF_8 = 0.2681, 1.6660
WIDTH, CLIP = 4, 1.5
ONE = np.asarray([1.0, 0, 0, 0], np.float32)


def extremes() -> Iterator[Floats]:
    """What a model could give as the vector of one object: any direction, any length, nothing, no number."""
    for axis, sign in itertools.product(range(WIDTH), (1e-6, 1.0, 1e9)):
        for direction in (1.0, -1.0):
            yield direction * sign * np.eye(WIDTH, dtype=np.float32)[axis]
    rng = np.random.default_rng(2)
    yield from rng.normal(size=(12, WIDTH)).astype(np.float32)
    yield from (np.full(WIDTH, value, np.float32) for value in (0.0, np.nan, np.inf, -np.inf))


def released(vectors: list[Floats], folder: Path, **changes: float) -> tuple[Floats, ClassPrototype]:
    """The vector that is noised, and the release with all that it states."""
    book = PrototypeBook(CLIP, WIDTH)
    for vector in vectors:
        book.add(KEY, vector)
    report = release_prototype(
        book, KEY, account(folder, **changes), camera="cam", at_utc=START, noise=Silence()
    )
    return np.asarray(report.vector, np.float32) * report.scale, report


def means(data: list[list[Floats]]) -> list[Floats]:
    found = []
    for vectors in data:
        book = PrototypeBook(CLIP, WIDTH)
        for vector in vectors:
            book.add(KEY, vector)
        found.append(book.take(KEY).mean)
    return found


def distance(a: Floats, b: Floats) -> float:
    return float(np.linalg.norm(np.asarray(a, np.float64) - b))


@pytest.mark.parametrize("count", [20, 27, 90])
def test_no_replaced_member_moves_the_mean_by_more_than_the_noise_covers(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(count)
    _, report = released([ONE] * count, tmp_path, minimum_tracks=20)
    covered = report.noise_sigma * MU_OF_1
    for base in ([ONE] * count, list(rng.normal(size=(count, WIDTH)).astype(np.float32))):
        (before,) = means([base])
        members = (0, 1, count - 1)
        replaced = [[*base[:i], new, *base[i + 1 :]] for i in members for new in extremes()]
        largest = max(distance(before, after) for after in means(replaced))
        assert largest <= covered * (1 + 1e-3)


def test_the_worst_member_needs_all_of_the_noise(tmp_path: Path) -> None:
    before, report = released([ONE] * 20, tmp_path)
    (tmp_path / "cam.json").unlink()
    after, _ = released([-ONE] + [ONE] * 19, tmp_path)
    assert distance(before, after) == pytest.approx(report.noise_sigma * MU_OF_1, rel=1e-3)


def prototypes_of_street(folder: Path, vectors: list[Floats]) -> CameraPrototypes:
    """A camera on which objects come one after the other, each in several kinds of evidence."""
    camera = CameraSettings(name="cam", source="unused", same_place_s=5.0, same_place_frames=1)
    prototypes = CameraPrototypes(camera, describe(), account(folder))
    box = np.asarray([20, 20, 44, 44], np.float32)
    for number, vector in enumerate(vectors):
        time_s = 100.0 * number
        prototypes.observe({}, time_s - 1)
        prototypes.observe({f"track-{number}": box}, time_s)
        for hits, track in (
            (1, None),
            (1, f"weak-{number}"),
            (5, f"track-{number}"),
            (2, f"taught-{number}"),
        ):
            prototypes.offer(Contribution(KEY, vector / hits, hits), box + 0.5 * hits, time_s, track)
    prototypes.observe({}, 1e6)
    prototypes.observe({}, 2e6)
    return prototypes


def test_all_evidence_of_one_object_together_moves_the_mean_by_no_more(tmp_path: Path) -> None:
    found = []
    for name, first in (("a", ONE), ("b", -ONE)):
        (tmp_path / name).mkdir()
        street = prototypes_of_street(tmp_path / name, [first] + [ONE] * 19)
        assert street._book.counts() == {KEY: 20}
        found.append(street._book.take(KEY))
    _, report = released([ONE] * 20, tmp_path)
    moved = distance(found[0].mean, found[1].mean) * CLIP / found[0].clip_norm
    assert moved <= report.noise_sigma * MU_OF_1 * (1 + 1e-3)


class SeededNoise:
    """Standard normal numbers that a test can repeat."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(7)

    def normal(self, count: int) -> npt.NDArray[np.float64]:
        return self._rng.normal(size=count)


def test_whoever_knows_all_others_cannot_tell_the_last_object_better_than_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: two data sets, many releases of each, and the best statistic for telling them apart."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    clock, noise = Clock(), SeededNoise()
    payer = opened(tmp_path / "cam.json", PrivacySettings(epsilon_per_release=8.0, least_cosine=0.0), clock)
    seen: list[list[float]] = [[], []]
    for which, last in ((0, ONE), (1, -ONE)):
        for _ in range(200):
            clock.ran_s += 31 * DAY
            payer.epsilon_spent()
            book = PrototypeBook(CLIP, WIDTH)
            for vector in [ONE] * 19 + [last]:
                book.add(KEY, vector)
            report = release_prototype(book, KEY, payer, camera="cam", at_utc=START, noise=noise)
            seen[which].append(report.vector[0] * report.scale)
    spread = np.sqrt((np.var(seen[0]) + np.var(seen[1])) / 2)
    separation = (np.mean(seen[0]) - np.mean(seen[1])) / spread
    assert 0.8 * MU_OF_8 < separation < 1.15 * MU_OF_8
