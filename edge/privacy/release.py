"""A sum of vectors becomes a noised prototype, once its camera's account has paid for it.

A prototype is released as: mean of at least 20 vectors of the same length, one per appearance; Gaussian
noise from the system's random source, always; int8. Neighbours differ in the vector of one appearance (one
replaced): sensitivity 2 x length / n, with n rounded down to tens so that neither count nor noise reveals the
exact n. Whether a sum is released depends on settings, width, n and earlier releases, never on the vectors:
it needs so many that the expected cosine to the mean without noise is at least `least_cosine`.
"""

import logging
import math
import secrets
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import BudgetSpent
from edge.privacy.accountant import PrivacyAccountant
from edge.rounding import minute_of
from edge.vision.prototypes import PrototypeBook, PrototypeKey, quantise
from messaging.reports import ClassPrototype, ConditionTags

logger = logging.getLogger(__name__)


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
    mu, spent = accountant.spend(key.class_name)
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
