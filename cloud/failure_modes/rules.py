"""Failure modes: the fleet's misdetections grouped by class, condition and kind, and ranked by harm.

Pure functions over rows; nothing here reads a store or a clock. harm = frequency x severity x
(1 - estimated recall), where frequency is the probability-weighted count of misdetections of the models in
service per hour of the observation window, and estimated recall is the centre of the Wilson interval (0.5
without counts). The misdetection *rate* that must halve before a mode closes is counted per supported track
of the same class, condition and model; per hour or frame it would follow the traffic. Only independent
sources count in it: track gaps, low margins and second views arise from objects that the detector finds
sometimes, so their number grows when a detector starts to find what it used to miss.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from cloud.failure_modes.estimated_recall import RecallEstimate, RecallKey
from cloud.failure_modes.site_shares import NO_LIMIT, SiteShares
from cloud.store.records import ModeState, ModeStatus
from cloud.store.report_records import Evidence, TrackWeights
from messaging.errors import ConfigurationError
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.reports import ErrorKind, EvidenceSource, Heartbeat
from messaging.taxonomy import Condition, RegionBin, SizeBin, Taxonomy

MIN_SUPPORTED_TRACKS = 30
INDEPENDENT_SOURCES = frozenset({EvidenceSource.TEACHER, EvidenceSource.OPERATOR})
TRAINABLE_KINDS = frozenset({ErrorKind.MISSED, ErrorKind.WRONG_CLASS})
_MIN_WINDOW_S = 3600


@dataclass(frozen=True, order=True)
class ModeKey:
    """Class, condition and kind; written `pothole.night-rain.missed`."""

    class_name: str
    condition: Condition
    kind: ErrorKind

    @property
    def id(self) -> str:
        """The identifier in URLs, tables and synthesis orders."""
        return f"{self.class_name}.{self.condition.key}.{self.kind}"

    @classmethod
    def of(cls, row: Evidence) -> "ModeKey":
        """The key of the mode that evidence belongs to."""
        return cls(row.class_name, row.condition, row.kind)

    @classmethod
    def parse(cls, mode: str) -> "ModeKey":
        """The key of an id. Raises `ConfigurationError` for another form."""
        parts = mode.split(".")
        if len(parts) != 3 or not parts[0] or parts[2] not in set(ErrorKind):
            raise ConfigurationError(
                f"failure mode {mode[:80]!r} is not CLASS.LIGHT-WEATHER.KIND; "
                f"kind is one of {', '.join(ErrorKind)}"
            )
        return cls(parts[0], Condition.parse(parts[1]), ErrorKind(parts[2]))


@dataclass(frozen=True)
class GeometryBin:
    """Probability-weighted count of boxes of one size in one region of the frame."""

    size: SizeBin
    region: RegionBin
    weight: float


@dataclass(frozen=True)
class CameraEvidence:
    """Number of misdetections of one camera, of all models, and the minute of the last (UTC)."""

    count: int
    last_utc: int


@dataclass(frozen=True)
class FailureMode:
    """One failure mode with its evidence.

    `count` covers all models, `rate` those in service; `first_model` is the digest of the model that erred
    first. `by_camera`: the evidence of each camera by its name, `SITE/CAMERA`. `images_fraction`: of the
    images asked for it, those that its sites may call for.
    """

    key: ModeKey
    count: int
    count_in_service: int
    sites: tuple[str, ...]
    cameras: tuple[str, ...]
    sources: Mapping[str, int]
    geometry: tuple[GeometryBin, ...]
    first_seen_utc: int
    first_model: str
    last_seen_utc: int
    frequency_per_hour: float
    severity: int
    recall: RecallEstimate
    rate: float | None
    state: ModeState
    by_camera: Mapping[str, CameraEvidence] = field(default_factory=dict)
    images_fraction: float = 1.0

    @property
    def harm(self) -> float:
        """frequency x severity x (1 - estimated recall)."""
        return self.frequency_per_hour * self.severity * (1.0 - self.recall.centre)


def find_failure_modes(
    rows: Iterable[Evidence],
    recall: Mapping[RecallKey, RecallEstimate],
    *,
    taxonomy: Taxonomy,
    in_service: Set[str],
    states: Mapping[str, ModeState],
    shares: SiteShares = NO_LIMIT,
) -> list[FailureMode]:
    """Group misdetections into modes, ranked by harm; with an empty `in_service` every model counts."""
    groups: dict[ModeKey, list[Evidence]] = defaultdict(list)
    for row in rows:
        groups[ModeKey.of(row)].append(row)
    every = [row for group in groups.values() for row in group]
    hours = _window_hours(every)
    modes = [
        _mode(
            key,
            group,
            recall,
            taxonomy=taxonomy,
            in_service=in_service,
            hours=hours,
            state=states.get(key.id),
            shares=shares,
        )
        for key, group in groups.items()
    ]
    return sorted(modes, key=lambda mode: (-mode.harm, mode.key))


def recall_of(recall: Mapping[RecallKey, RecallEstimate], key: ModeKey, models: Set[str]) -> RecallEstimate:
    """Sum of the estimates of these models (of all, if empty) for a mode's class and condition."""
    supported = detected = 0
    by_source: dict[str, tuple[int, int]] = {}
    weights = TrackWeights()
    for counted, estimate in recall.items():
        if (counted.class_name, counted.condition) != (key.class_name, key.condition):
            continue
        if models and counted.model_digest not in models:
            continue
        supported, detected = supported + estimate.supported, detected + estimate.detected
        weights += estimate.weights or TrackWeights(estimate.supported, estimate.detected, estimate.supported)
        for source, (s, d) in estimate.by_source.items():
            before = by_source.get(source, (0, 0))
            by_source[source] = (before[0] + s, before[1] + d)
    return RecallEstimate(supported, detected, by_source, weights)


def misdetection_rate(
    rows: Iterable[Evidence], key: ModeKey, models: Set[str], recall: RecallEstimate
) -> float | None:
    """Misdetections of independent sources per supported track of these models; None without tracks.

    Evidence counts with its probability, as in the frequency. A candidate in a shadow run reports no
    misdetections, so its tracks there are left out: they would make every rate zero.
    """
    if not recall.supported_in_service:
        return None
    independent = (r for r in rows if r.evidence in INDEPENDENT_SOURCES)
    of_mode = (r for r in independent if ModeKey.of(r) == key)
    expected = sum(r.probability for r in of_mode if not models or r.model_digest in models)
    return expected / recall.supported_in_service


def closing_verdict(
    recall: RecallEstimate, *, target: float, rate: float | None, baseline_rate: float | None
) -> ModeStatus:
    """The closing rule: CLOSED, WAITING (too few tracks) or OPEN (enough tracks, but not closed).

    CLOSED needs at least 30 supported tracks, the lower bound of estimated recall above the target, and a
    misdetection rate of at most half the baseline rate.
    """
    if recall.supported < MIN_SUPPORTED_TRACKS or rate is None or baseline_rate is None:
        return ModeStatus.WAITING
    if recall.interval[0] > target and rate <= baseline_rate / 2:
        return ModeStatus.CLOSED
    return ModeStatus.OPEN


def next_status(now: ModeStatus, verdict: ModeStatus) -> ModeStatus:
    """The status after applying the rule outside a campaign; a closed mode that fails it is reopened."""
    if now is ModeStatus.IN_CAMPAIGN or verdict is ModeStatus.WAITING:
        return now
    if verdict is ModeStatus.CLOSED:
        return ModeStatus.CLOSED
    return ModeStatus.OPEN if now is ModeStatus.OPEN else ModeStatus.REOPENED


def _mode(
    key: ModeKey,
    rows: Sequence[Evidence],
    recall: Mapping[RecallKey, RecallEstimate],
    *,
    taxonomy: Taxonomy,
    in_service: Set[str],
    hours: float,
    state: ModeState | None,
    shares: SiteShares,
) -> FailureMode:
    of_service = [row for row in rows if not in_service or row.model_digest in in_service]
    estimate = recall_of(recall, key, in_service)
    first = min(rows, key=lambda row: row.first_utc)
    evidence: dict[str, float] = defaultdict(float)
    sources: Counter[str] = Counter()
    for row in rows:
        evidence[row.site] += row.probability
        sources[str(row.evidence)] += row.count
    factors, by_camera = shares.factors(evidence), _by_camera(rows)
    return FailureMode(
        key=key,
        count=sum(row.count for row in rows),
        count_in_service=sum(row.count for row in of_service),
        sites=tuple(sorted({row.site for row in rows})),
        cameras=tuple(sorted(by_camera)),
        sources=dict(sources),
        geometry=_geometry(rows, factors),
        first_seen_utc=first.first_utc,
        first_model=first.model_digest,
        last_seen_utc=max(row.last_utc for row in rows),
        frequency_per_hour=sum(row.probability * factors[row.site] for row in of_service) / hours,
        severity=_severity(taxonomy, key.class_name),
        recall=estimate,
        rate=misdetection_rate(rows, key, in_service, estimate),
        state=state or ModeState(key.id, ModeStatus.OPEN, first.first_utc),
        by_camera=by_camera,
        images_fraction=shares.images_fraction(evidence),
    )


def _by_camera(rows: Iterable[Evidence]) -> dict[str, CameraEvidence]:
    found: dict[str, CameraEvidence] = {}
    for row in rows:
        name = f"{row.site}/{row.camera}"
        before = found.get(name, CameraEvidence(0, 0))
        found[name] = CameraEvidence(before.count + row.count, max(before.last_utc, row.last_utc))
    return found


def unobserved_mode(key: ModeKey, taxonomy: Taxonomy, state: ModeState) -> FailureMode:
    """A mode without evidence: of a class that no camera has detected or missed yet."""
    return FailureMode(
        key=key,
        count=0,
        count_in_service=0,
        sites=(),
        cameras=(),
        sources={},
        geometry=(),
        first_seen_utc=state.since,
        first_model="",
        last_seen_utc=state.since,
        frequency_per_hour=0.0,
        severity=taxonomy.severity(key.class_name),
        recall=RecallEstimate(0, 0, {}),
        rate=None,
        state=state,
    )


def _severity(taxonomy: Taxonomy, class_name: str) -> int:
    """Severity of the class; a class of another taxonomy (an old report) counts as unknown."""
    return taxonomy.severity(class_name if class_name in taxonomy.names else UNKNOWN_CLASS)


def _geometry(rows: Iterable[Evidence], factors: Mapping[str, float]) -> tuple[GeometryBin, ...]:
    weights: dict[tuple[SizeBin, RegionBin], float] = defaultdict(float)
    for row in rows:
        weights[row.size, row.region] += row.probability * factors[row.site]
    return tuple(GeometryBin(size, region, round(w, 4)) for (size, region), w in sorted(weights.items()))


def _window_hours(rows: Sequence[Evidence]) -> float:
    if not rows:
        return 1.0
    first, last = min(row.first_utc for row in rows), max(row.last_utc for row in rows)
    return max(last - first + 60, _MIN_WINDOW_S) / 3600


def cannot_close(beat: Heartbeat) -> str:
    """Why what a site reports closes no failure mode; empty if its teacher can confirm tracks."""
    if beat.teacher_fraction is None:
        return "its configuration switches the teacher off"
    return "" if beat.teacher_digest else "no teacher"
