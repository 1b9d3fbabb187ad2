"""Combines the prototypes of all sites into one per class and condition that no single site can dominate.

Only prototypes with the same `embedding_digest` are averaged or compared. The newest of each camera counts
and a site is the mean of its cameras, so each site has one vote. From five sites on, sites are combined by a
coordinate-wise trimmed mean (Yin et al. 2018, "Byzantine-robust distributed learning"). With fewer sites,
vectors are clipped to the median norm and averaged.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.store.report_records import PrototypeRow
from edge.vision.prototypes import cosine_distance
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.taxonomy import Condition

Vector = npt.NDArray[np.float64]
MIN_SITES_TO_TRIM = 5
TRIM_FRACTION = 0.2
ASSIGN_MARGIN = 0.1


@dataclass(frozen=True)
class FleetPrototype:
    """One class-by-condition prototype of the fleet, in the space named by `embedding_digest`."""

    class_name: str
    condition: Condition
    vector: tuple[float, ...]
    embedding_digest: str
    sites: int
    tracks: int


def fleet_prototypes(rows: Iterable[PrototypeRow], embedding_digest: str) -> list[FleetPrototype]:
    """Combine the rows with this `embedding_digest` into one prototype per class and condition, sorted."""
    groups: dict[tuple[str, Condition], dict[tuple[str, str], PrototypeRow]] = defaultdict(dict)
    for row in rows:
        if row.embedding_digest == embedding_digest:
            groups[row.class_name, row.condition][row.site, row.camera] = row
    return [
        _combined(class_name, condition, list(cameras.values()))
        for (class_name, condition), cameras in sorted(groups.items())
    ]


def nearest_class(unknown: FleetPrototype, known: Sequence[FleetPrototype]) -> str | None:
    """The class with the nearest prototype by cosine, if it is nearer by `ASSIGN_MARGIN`; else None.

    Only prototypes of the same condition and embedding are compared, and at least two classes are needed.
    """
    best: dict[str, float] = {}
    for prototype in known:
        same_space = prototype.embedding_digest == unknown.embedding_digest
        if same_space and prototype.condition == unknown.condition and prototype.class_name != UNKNOWN_CLASS:
            best[prototype.class_name] = 1.0 - _distance(unknown, prototype)
    ranked = sorted(best, key=lambda name: -best[name])
    if len(ranked) < 2 or best[ranked[0]] - best[ranked[1]] < ASSIGN_MARGIN:
        return None
    return ranked[0]


def _combined(class_name: str, condition: Condition, rows: list[PrototypeRow]) -> FleetPrototype:
    by_site: dict[str, list[Vector]] = defaultdict(list)
    for row in rows:
        by_site[row.site].append(np.asarray(row.vector))
    votes = np.stack([np.mean(vectors, axis=0) for _, vectors in sorted(by_site.items())])
    vector = _trimmed_mean(votes) if len(votes) >= MIN_SITES_TO_TRIM else _clipped_mean(votes)
    return FleetPrototype(
        class_name=class_name,
        condition=condition,
        vector=tuple(float(value) for value in vector),
        embedding_digest=rows[0].embedding_digest,
        sites=len(votes),
        tracks=sum(row.tracks for row in rows),
    )


def _trimmed_mean(votes: Vector) -> Vector:
    """Mean of each coordinate without its lowest and highest fifth (at least one each). (sites, d) -> (d,)"""
    cut = max(1, int(len(votes) * TRIM_FRACTION))
    kept = np.sort(votes, axis=0)[cut : len(votes) - cut]
    return np.asarray(kept.mean(axis=0), np.float64)


def _clipped_mean(votes: Vector) -> Vector:
    """Mean of the vectors, each clipped to the median length. (sites, d) -> (d,)"""
    norms = np.linalg.norm(votes, axis=1)
    bound = float(np.median(norms))
    scale = np.minimum(1.0, bound / np.maximum(norms, 1e-12))
    return np.asarray((votes * scale[:, None]).mean(axis=0), np.float64)


def _distance(a: FleetPrototype, b: FleetPrototype) -> float:
    return float(cosine_distance(np.asarray(a.vector), np.asarray(b.vector))[0, 0])
