"""The result of a demo run as values: recall table, bytes, images, stage times, figures.

Ground truth of the drawn footage is used here only: in the final table, never in the loop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cloud.demo.script import DEFAULT_MINUTES
from messaging.figures import Figure


@dataclass(frozen=True)
class Score:
    """Box counts of one class under one condition: true boxes, found ones, false detections."""

    truth: int
    found: int
    false: int

    @property
    def recall(self) -> float | None:
        """Found boxes over true boxes; None without true boxes."""
        return self.found / self.truth if self.truth else None

    @property
    def precision(self) -> float | None:
        """Found boxes over all detections; None without detections."""
        return self.found / (self.found + self.false) if self.found + self.false else None


@dataclass(frozen=True)
class Row:
    """One row of the final table. `target`: a campaign targeted this class and condition."""

    class_name: str
    condition: str
    target: bool
    before: Score
    after: Score
    estimated_recall: float | None = None
    true_track_recall: float | None = None
    supported_tracks: int = 0

    @property
    def recall_change(self) -> float | None:
        """Change of recall in percentage points; None where one side has no true boxes."""
        return _points(self.before.recall, self.after.recall)

    @property
    def precision_change(self) -> float | None:
        """Change of precision in percentage points; None where one side has no detections."""
        return _points(self.before.precision, self.after.precision)


@dataclass(frozen=True)
class ClipRow:
    """A class in a real clip: of `frames`, those in which the first and the last model report it."""

    clip: str
    class_name: str
    frames: int
    before: int
    after: int


@dataclass(frozen=True)
class SiteBytes:
    """Bytes and messages sent by one site, by message type; `footage_bytes` is 0 where unknown."""

    site: str
    by_kind: dict[str, int]
    messages: dict[str, int]
    footage_bytes: int

    @property
    def footage_fraction(self) -> float | None:
        """Bytes sent over bytes of compressed footage; None where the size of the footage is unknown."""
        return sum(self.by_kind.values()) / self.footage_bytes if self.footage_bytes else None

    @property
    def against_footage(self) -> str:
        """All bytes sent, compared with the footage, as text."""
        sent = sum(self.by_kind.values())
        if self.footage_fraction is None:
            return f"{sent} (footage: size unknown)"
        return f"{sent} of {self.footage_bytes} of footage ({self.footage_fraction:.5f})"


@dataclass(frozen=True)
class Images:
    """Numbers of synthetic images: ordered, kept, and refused by reason."""

    ordered: int
    kept: int
    refused: dict[str, int]

    @property
    def summary(self) -> str:
        """All three numbers as one phrase."""
        refused = ", ".join(f"{reason} {count}" for reason, count in sorted(self.refused.items())) or "none"
        return f"ordered {self.ordered}, kept {self.kept}, refused: {refused}"


@dataclass(frozen=True)
class FalseAlarms:
    """Detections on hazard-free images, unchanged (`plain`) and with empty inpainted patches (`patched`).

    `base` is the model in service before the first campaign, `promoted` the one after the last.
    """

    images: int
    drawn: bool
    base_plain: int = 0
    base_patched: int = 0
    promoted_plain: int = 0
    promoted_patched: int = 0

    @property
    def base_per_100(self) -> float:
        """Detections of the base model per 100 images with patches."""
        return self._per_100(self.base_patched)

    @property
    def promoted_per_100(self) -> float:
        """Detections of the promoted model per 100 images with patches."""
        return self._per_100(self.promoted_patched)

    @property
    def note(self) -> str:
        """All four counts and the kind of images, as a sentence."""
        kind = (
            "drawn hazard-free streets of a world that no model was trained on"
            if self.drawn
            else "photographs"
        )
        return (
            f"False alarms on {self.images} {kind}, unchanged and with empty inpainted patches: "
            f"{self.base_plain} and {self.base_patched} before, "
            f"{self.promoted_plain} and {self.promoted_patched} after."
        )

    def _per_100(self, count: int) -> float:
        return round(100 * count / max(self.images, 1), 2)


@dataclass(frozen=True)
class Measured:
    """Measurements of the running system; None where not measured."""

    minutes: float
    peak_memory_gb: float | None
    node_resident_mb: float | None
    first_frame_s: float | None
    frames_lost_in_swap: int | None
    false_alarms: FalseAlarms | None = None
    rounds_ok: int | None = None


@dataclass(frozen=True)
class DemoResult:
    """The data of the report and of the figures.

    `photographs`: rows of photographs never trained on. `clips`: of real clips, without ground truth.
    `not_expected`: figures that this run announced not to reach, each with the reason.
    """

    rows: tuple[Row, ...]
    sites: tuple[SiteBytes, ...]
    images: Images
    stages_s: dict[str, float]
    measured: Measured
    photographs: tuple[Row, ...] = ()
    clips: tuple[ClipRow, ...] = ()
    longest_minutes: float = DEFAULT_MINUTES
    not_expected: Mapping[str, str] = field(default_factory=dict)
    failure_modes: tuple[dict[str, Any], ...] = ()
    samples: tuple[str, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()


def figures_of(result: DemoResult) -> list[Figure]:
    """The figures under their fixed names, with their targets; the value is None where not measured."""
    rows, measured = result.rows, result.measured
    targets = [row for row in rows if row.target]
    others = [row for row in rows if not row.target]
    errors = [
        100 * abs(row.estimated_recall - row.true_track_recall)
        for row in targets
        if row.estimated_recall is not None and row.true_track_recall is not None
    ]
    footage_fraction = max(
        (site.footage_fraction for site in result.sites if site.footage_fraction is not None), default=None
    )
    alarms = measured.false_alarms
    figures = [
        Figure("demo_minutes", measured.minutes, "min", f"<= {result.longest_minutes:g}"),
        Figure(
            "target_recall_gain_points",
            pooled_gain(targets),
            "points",
            ">= 20",
            n=sum(row.after.truth for row in targets),
        ),
        Figure(
            "worst_other_recall_change_points", _worst([r.recall_change for r in others]), "points", ">= -2"
        ),
        Figure(
            "worst_precision_change_points", _worst([r.precision_change for r in rows]), "points", ">= -3"
        ),
        Figure(
            "worst_photograph_recall_change_points",
            _worst([row.recall_change for row in result.photographs]),
            "points",
            ">= -2",
            n=sum(row.after.truth for row in result.photographs),
        ),
        Figure("estimated_vs_true_recall_points", max(errors, default=None), "points", "<= 8", n=len(errors)),
        Figure("uplink_to_footage", footage_fraction, "ratio", "<= 0.001"),
        Figure("peak_memory_gb", measured.peak_memory_gb, "GB", "<= 8"),
        Figure("edge_node_resident_mb", measured.node_resident_mb, "MB", "<= 350"),
        Figure("first_frame_s", measured.first_frame_s, "s", "<= 3"),
        Figure("frames_lost_in_swap", measured.frames_lost_in_swap, "frames", "= 0"),
        Figure(
            "false_alarms_on_empty_patches_per_100",
            None if alarms is None else alarms.promoted_per_100,
            "per 100 images",
            "<= 1" if alarms is None else f"<= {alarms.base_per_100 + 1:.2f}",
            n=None if alarms is None else alarms.images,
        ),
    ]
    if measured.rounds_ok is not None:
        figures.append(Figure("rounds_ok", measured.rounds_ok, "rounds", ">= 3"))
    return [replace(one, not_expected=result.not_expected.get(one.name)) for one in figures]


def pooled_gain(rows: Sequence[Row]) -> float | None:
    """Change of recall in percentage points over all boxes of these rows; None without true boxes."""
    before, after = sum(r.before.truth for r in rows), sum(r.after.truth for r in rows)
    if not before or not after:
        return None
    return 100 * (sum(r.after.found for r in rows) / after - sum(r.before.found for r in rows) / before)


def _points(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else 100 * (after - before)


def _worst(changes: Sequence[float | None]) -> float | None:
    known = [change for change in changes if change is not None]
    return min(known) if known else None
