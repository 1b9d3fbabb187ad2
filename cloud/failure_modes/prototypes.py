"""Combines the prototypes of all sites into one per class and condition that no single site can dominate.

Only prototypes with the same `embedding_digest` are averaged or compared. All releases of a site are
averaged, weighted by their noise, so each site has one vote. From five sites on, sites are combined by a
coordinate-wise trimmed mean (Yin et al. 2018, "Byzantine-robust distributed learning"). With fewer sites,
vectors are clipped to the median norm (of an even number of sites, the lower one) and averaged. The votes are
not weighted: a site states its noise itself, and one that stated none would decide alone. Nothing here raises
for what a site has sent: a row of another width than its embedding has is left out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.store.report_records import PrototypeRow
from edge.vision.prototypes import USABLE_COSINE, cosine_distance, estimated_cosine, weighted_by_noise
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.taxonomy import Condition

Vector = npt.NDArray[np.float64]
MIN_SITES_TO_TRIM = 5
TRIM_FRACTION = 0.2
ASSIGN_MARGIN = 0.1
_LEAST_SIGMA = 1e-9


@dataclass(frozen=True)
class FleetPrototype:
    """One class-by-condition prototype of the fleet, in the space named by `embedding_digest`.

    `cosine` is the estimated cosine of `vector` to the mean without noise. A prototype that is not `usable`
    is shown in plans and takes part in nothing.
    """

    class_name: str
    condition: Condition
    vector: tuple[float, ...]
    embedding_digest: str
    sites: int
    tracks: int
    cosine: float

    @property
    def usable(self) -> bool:
        """Whether it holds at least as much signal as noise."""
        return self.cosine >= USABLE_COSINE


def fleet_prototypes(
    rows: Iterable[PrototypeRow], embedding_digest: str, *, width: int | None = None
) -> list[FleetPrototype]:
    """Combine the rows with this `embedding_digest` into one prototype per class and condition, sorted.

    `width`: of the embedding; without it, the width that most sites sent.
    """
    of_space = [row for row in rows if row.embedding_digest == embedding_digest]
    if width is None:
        width = _common_width(of_space)
    groups: dict[tuple[str, Condition], list[PrototypeRow]] = defaultdict(list)
    for row in of_space:
        if len(row.vector) == width:
            groups[row.class_name, row.condition].append(row)
    return [
        _combined(class_name, condition, releases)
        for (class_name, condition), releases in sorted(groups.items())
    ]


def nearest_class(unknown: FleetPrototype, known: Sequence[FleetPrototype]) -> str | None:
    """The class with the nearest prototype by cosine, if it is nearer by `ASSIGN_MARGIN`; else None.

    Only usable prototypes of the same condition and embedding are compared, and at least two classes are
    needed.
    """
    best: dict[str, float] = {}
    for prototype in (p for p in known if p.usable and unknown.usable):
        same_space = prototype.embedding_digest == unknown.embedding_digest
        if same_space and prototype.condition == unknown.condition and prototype.class_name != UNKNOWN_CLASS:
            best[prototype.class_name] = 1.0 - _distance(unknown, prototype)
    ranked = sorted(best, key=lambda name: -best[name])
    if len(ranked) < 2 or best[ranked[0]] - best[ranked[1]] < ASSIGN_MARGIN:
        return None
    return ranked[0]


def _common_width(rows: Iterable[PrototypeRow]) -> int | None:
    """The width that most sites sent, of equally many the one that came first; None without rows."""
    votes = dict.fromkeys((row.site, len(row.vector)) for row in rows)
    common = Counter(width for _, width in votes).most_common(1)
    return common[0][0] if common else None


def _combined(class_name: str, condition: Condition, rows: list[PrototypeRow]) -> FleetPrototype:
    by_site: dict[str, list[PrototypeRow]] = defaultdict(list)
    for row in rows:
        by_site[row.site].append(row)
    means = [
        weighted_by_noise(
            np.asarray([r.vector for r in site]),
            np.asarray([max(r.noise_sigma, _LEAST_SIGMA) for r in site]),
        )
        for _, site in sorted(by_site.items())
    ]
    vector, sigma = _combined_votes(np.stack([v for v, _ in means]), np.asarray([s for _, s in means]))
    return FleetPrototype(
        class_name=class_name,
        condition=condition,
        vector=tuple(float(value) for value in vector),
        embedding_digest=rows[0].embedding_digest,
        sites=len(by_site),
        tracks=sum(row.tracks for row in rows),
        cosine=estimated_cosine(vector, sigma),
    )


def _combined_votes(votes: Vector, sigmas: Vector) -> tuple[Vector, float]:
    """Robust mean (d,) of the sites' means (sites, d), and its noise from theirs (sites,).

    From five sites on the noise is that of the median site, so that one false statement changes nothing.
    """
    if len(votes) >= MIN_SITES_TO_TRIM:
        return _trimmed_mean(votes), float(np.median(sigmas) / np.sqrt(len(votes)))
    norms = np.linalg.norm(votes, axis=1)
    median = np.sort(norms)[(len(norms) - 1) // 2]
    scale = np.minimum(1.0, median / np.maximum(norms, 1e-12))
    mean = np.asarray((votes * scale[:, None]).mean(axis=0), np.float64)
    return mean, float(np.linalg.norm(sigmas * scale) / len(votes))


def _trimmed_mean(votes: Vector) -> Vector:
    """Mean of each coordinate without its lowest and highest fifth (at least one each). (sites, d) -> (d,)"""
    cut = max(1, int(len(votes) * TRIM_FRACTION))
    kept = np.sort(votes, axis=0)[cut : len(votes) - cut]
    return np.asarray(kept.mean(axis=0), np.float64)


def _distance(a: FleetPrototype, b: FleetPrototype) -> float:
    return float(cosine_distance(np.asarray(a.vector), np.asarray(b.vector))[0, 0])
