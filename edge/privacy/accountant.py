"""Which prototypes may leave a site: noised ones, within the privacy budget of their camera.

A prototype is released as: mean of at least 20 tracks, each one vector of the same length; Gaussian noise
from the system's random source, always; int8. Neighbours differ in one track of the sum (one replaced):
sensitivity 2 x length / n, with n rounded down to tens so that neither count nor noise reveals the exact n.
Whether a sum is released depends on settings, width and n, never on the vectors: it needs so many tracks that
the expected cosine to the mean without noise is at least `least_cosine`.
The accountant of a camera adds up every release of the last 30 days (Gaussian composition, no credit for
sub-sampling or for tracks being disjoint) and writes the spending to disk *before* the vector exists: a
crash may waste budget, never overdraw it. A budget file that cannot be read counts as spent.
"""

import logging
import math
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from edge.errors import BudgetSpent
from edge.privacy.gaussian_mechanism import compose, epsilon_of, mu_of
from edge.rounding import minute_of
from edge.settings import PrivacySettings
from edge.vision.prototypes import PrototypeBook, PrototypeKey, largest_sigma, quantise
from messaging.errors import FileFault
from messaging.reports import ClassPrototype, ConditionTags
from messaging.runtime.state_files import StateFile

Floats = npt.NDArray[np.float32]
logger = logging.getLogger(__name__)

_DAY_S = 86_400.0
# The length that the mean of a class's track vectors is assumed to have, where each vector has length 1.
# Public: the shortest of the means on drawn footage had 0.61 (decision 0017).
ASSUMED_LENGTH = 0.5


class Noise(Protocol):
    """Standard normal numbers."""

    def normal(self, count: int) -> npt.NDArray[np.float64]:
        """(count,) independent draws."""


class SystemNoise:
    """Normal numbers made of the operating system's random bytes (Box and Muller 1958)."""

    def normal(self, count: int) -> npt.NDArray[np.float64]:
        """(count,) independent draws."""
        integers = np.frombuffer(secrets.token_bytes(16 * count), np.uint64).reshape(2, count)
        radius, angle = (np.asarray(integers >> 11, np.float64) + 0.5) / 2.0**53
        return np.asarray(np.sqrt(-2 * np.log(radius)) * np.cos(2 * math.pi * angle), np.float64)


class Spending(BaseModel):
    """One entry of a camera's account: when (seconds since 1970), and the mu of the release."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    at_utc: float
    mu: float = Field(gt=0.0)


class Account(BaseModel):
    """The whole file of a camera's account."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1]
    spendings: tuple[Spending, ...]


class PrivacyAccountant:
    """The account of one camera, in one small JSON file. Thread-safe; one process owns the file."""

    def __init__(self, path: Path, settings: PrivacySettings, *, utc: Callable[[], float]) -> None:
        self._path, self._settings, self._utc = path, settings, utc
        self._file = StateFile(path, Account)
        self._lock = threading.Lock()
        self._release_mu = mu_of(settings.epsilon_per_release, settings.delta)
        self._budget_mu = mu_of(settings.epsilon_per_camera, settings.delta)

    @property
    def settings(self) -> PrivacySettings:
        """The promise that this account keeps."""
        return self._settings

    def tracks_needed(self, width: int) -> int:
        """Tracks (in tens) that the first release of a mean of this embedding width needs."""
        sigma = largest_sigma(ASSUMED_LENGTH, self._settings.least_cosine, width)
        for_signal = 2.0 / (sigma * self._release_mu)
        return 10 * math.ceil(max(for_signal, self._settings.minimum_tracks) / 10)

    def epsilon_spent(self) -> float:
        """Epsilon of all releases in the window together; the whole budget when the file cannot be read."""
        try:
            entries = self._in_window()
        except BudgetSpent as fault:
            logger.warning("%s", fault)
            return self._settings.epsilon_per_camera
        return epsilon_of(compose([s.mu for s in entries]), self._settings.delta)

    def spend(self) -> tuple[float, float]:
        """Pay for one release, on disk when this returns; gives its mu and the epsilon spent in all.

        Raises:
            BudgetSpent: the budget does not allow it, or the file cannot be read or written.
        """
        with self._lock:
            entries = self._in_window()
            total = compose([*(s.mu for s in entries), self._release_mu])
            if total > self._budget_mu * (1 + 1e-9):
                raise BudgetSpent(
                    f"camera account {self._path.stem} has spent epsilon "
                    f"{epsilon_of(compose([s.mu for s in entries]), self._settings.delta):.2f} of "
                    f"{self._settings.epsilon_per_camera:g} in {self._settings.window_days:g} days; wait, "
                    "or raise it"
                )
            self._write([*entries, Spending(at_utc=self._utc(), mu=self._release_mu)])
            return self._release_mu, epsilon_of(total, self._settings.delta)

    def _in_window(self) -> list[Spending]:
        since = self._utc() - self._settings.window_days * _DAY_S
        return [s for s in self._read() if s.at_utc > since]

    def _read(self) -> list[Spending]:
        try:
            account = self._file.read()
        except FileFault as fault:
            raise BudgetSpent(
                f"privacy account {self._path} cannot be read, so its budget counts as spent; restore it "
                "from a copy, or wait for the window to pass and remove it"
            ) from fault
        return [] if account is None else list(account.spendings)

    def _write(self, entries: list[Spending]) -> None:
        try:
            self._file.write(Account(version=1, spendings=tuple(entries)))
        except OSError as fault:
            raise BudgetSpent(
                f"privacy account {self._path} cannot be written ({fault.strerror}), so nothing is released"
            ) from fault


def release_prototype(
    book: PrototypeBook,
    key: PrototypeKey,
    accountant: PrivacyAccountant,
    *,
    camera: str,
    at_utc: float,
    noise: Noise | None = None,
) -> ClassPrototype:
    """Pay, take the sum out of the book, noise its mean, and only then have something to send.

    Raises:
        BudgetSpent: too few tracks, or the camera's budget does not allow it; the sum stays in the book.
    """
    tracks, needed = len(book.peek(key)), accountant.tracks_needed(book.width)
    if tracks < needed:
        raise BudgetSpent(
            f"prototype {key.class_name} {key.condition.key} of {camera} has {tracks} tracks; "
            f"{needed} are needed"
        )
    mu, spent = accountant.spend()
    total = book.take(key)
    counted = tracks - tracks % 10
    sigma = noise_sigma(total.clip_norm, counted, mu)
    noised = total.mean + sigma * (noise or SystemNoise()).normal(len(total.mean))
    vector, scale = quantise(np.asarray(noised, np.float32))
    logger.info(
        "camera %s: prototype %s %s released, epsilon %.2f spent",
        camera,
        key.class_name,
        key.condition.key,
        spent,
    )
    return ClassPrototype(
        camera=camera,
        class_name=key.class_name,
        tags=ConditionTags(light=key.condition.light, weather=key.condition.weather),
        vector=vector,
        scale=scale,
        embedding_digest=key.embedding_digest,
        tracks=counted,
        noise_sigma=sigma,
        epsilon=accountant.settings.epsilon_per_release,
        epsilon_spent=spent,
        delta=accountant.settings.delta,
        minute_utc=minute_of(at_utc),
    )


def noise_sigma(clip_norm: float, tracks: int, mu: float) -> float:
    """Standard deviation per coordinate that makes the mean of `tracks` vectors of this length mu-GDP."""
    return 2 * clip_norm / tracks / mu
