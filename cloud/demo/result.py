"""What a demo run found out, as values: the table, the bytes, the images, the stage times, the figures.

Ground truth of the drawn footage enters here and only here: it feeds the final table, never the loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from messaging.figures import Figure


@dataclass(frozen=True)
class Score:
    """Boxes of one class under one condition: truth, found, false. Recall and precision follow."""

    truth: int
    found: int
    false: int

    @property
    def recall(self) -> float | None:
        """Found share of the true boxes; None without any."""
        return self.found / self.truth if self.truth else None

    @property
    def precision(self) -> float | None:
        """True share of the boxes given; None without any."""
        return self.found / (self.found + self.false) if self.found + self.false else None


@dataclass(frozen=True)
class Row:
    """One line of the final table. `target` says whether the campaign aimed at it."""

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
        """Points of recall gained; None where one side has no truth."""
        return _points(self.before.recall, self.after.recall)

    @property
    def precision_change(self) -> float | None:
        """Points of precision gained; None where one side gave no boxes."""
        return _points(self.before.precision, self.after.precision)


@dataclass(frozen=True)
class SiteBytes:
    """What left one site, by message type, against its compressed footage; 0 bytes of it means unknown."""

    site: str
    by_kind: dict[str, int]
    messages: dict[str, int]
    footage_bytes: int

    @property
    def share(self) -> float | None:
        """Bytes sent over bytes of footage; None where the footage's size is not known."""
        return sum(self.by_kind.values()) / self.footage_bytes if self.footage_bytes else None

    @property
    def against_footage(self) -> str:
        """All bytes sent, and how that compares with the footage."""
        sent = sum(self.by_kind.values())
        if self.share is None:
            return f"{sent} (footage: size unknown)"
        return f"{sent} of {self.footage_bytes} of footage ({self.share:.5f})"


@dataclass(frozen=True)
class Images:
    """Synthetic images asked for, kept, and refused by reason."""

    asked: int
    kept: int
    refused: dict[str, int]

    @property
    def summary(self) -> str:
        """All three counts as one phrase."""
        refused = ", ".join(f"{reason} {count}" for reason, count in sorted(self.refused.items())) or "none"
        return f"asked {self.asked}, kept {self.kept}, refused: {refused}"


@dataclass(frozen=True)
class FalseAlarms:
    """Boxes given on the same hazard-free pictures, plain and with patches painted empty pasted into them.

    `base` is the model that served before the first campaign, `promoted` the one that serves after the last.
    """

    pictures: int
    drawn: bool
    base_plain: int = 0
    base_patched: int = 0
    promoted_plain: int = 0
    promoted_patched: int = 0

    @property
    def base_per_100(self) -> float:
        """The base's, on the same pictures with patches, a hundred of them."""
        return self._per_100(self.base_patched)

    @property
    def promoted_per_100(self) -> float:
        """The promoted model's, a hundred pictures with patches."""
        return self._per_100(self.promoted_patched)

    @property
    def note(self) -> str:
        """All four counts in words, and what kind of pictures it were."""
        kind = "drawn hazard-free streets of a world that nobody trained on" if self.drawn else "photographs"
        return (
            f"False alarms on {self.pictures} {kind}, plain and with patches painted empty: "
            f"{self.base_plain} and {self.base_patched} before, "
            f"{self.promoted_plain} and {self.promoted_patched} after."
        )

    def _per_100(self, count: int) -> float:
        return round(100 * count / max(self.pictures, 1), 2)


@dataclass(frozen=True)
class Measured:
    """Readings that only the running system gives; None where it was not measured."""

    minutes: float
    peak_memory_gb: float | None
    node_resident_mb: float | None
    first_frame_s: float | None
    frames_lost_in_swap: int | None
    false_alarms: FalseAlarms | None = None
    rounds_ok: int | None = None


@dataclass(frozen=True)
class DemoResult:
    """Everything that the report and the figures are made of."""

    rows: tuple[Row, ...]
    sites: tuple[SiteBytes, ...]
    images: Images
    stages_s: dict[str, float]
    measured: Measured
    failure_modes: tuple[dict[str, Any], ...] = ()
    samples: tuple[str, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()


def figures_of(result: DemoResult) -> list[Figure]:
    """The figures by their fixed names, each against its target; unmeasured ones have value None."""
    rows, measured = result.rows, result.measured
    targets = [row for row in rows if row.target]
    others = [row for row in rows if not row.target]
    errors = [
        100 * abs(row.estimated_recall - row.true_track_recall)
        for row in targets
        if row.estimated_recall is not None and row.true_track_recall is not None
    ]
    share = max((site.share for site in result.sites if site.share is not None), default=None)
    alarms = measured.false_alarms
    figures = [
        Figure("demo_minutes", measured.minutes, "min", "<= 12"),
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
        Figure("estimated_vs_true_recall_points", max(errors, default=None), "points", "<= 8", n=len(errors)),
        Figure("uplink_to_footage", share, "ratio", "<= 0.001"),
        Figure("peak_memory_gb", measured.peak_memory_gb, "GB", "<= 8"),
        Figure("edge_node_resident_mb", measured.node_resident_mb, "MB", "<= 350"),
        Figure("first_frame_s", measured.first_frame_s, "s", "<= 3"),
        Figure("frames_lost_in_swap", measured.frames_lost_in_swap, "frames", "= 0"),
        Figure(
            "false_alarms_on_painted_empty_per_100",
            None if alarms is None else alarms.promoted_per_100,
            "per 100 images",
            "<= 1" if alarms is None else f"<= {alarms.base_per_100 + 1:.2f}",
            n=None if alarms is None else alarms.pictures,
        ),
    ]
    if measured.rounds_ok is not None:
        figures.append(Figure("rounds_ok", measured.rounds_ok, "rounds", ">= 3"))
    return figures


def pooled_gain(rows: Sequence[Row]) -> float | None:
    """Points of recall gained over all boxes of these rows together; None without any truth."""
    before, after = sum(r.before.truth for r in rows), sum(r.after.truth for r in rows)
    if not before or not after:
        return None
    return 100 * (sum(r.after.found for r in rows) / after - sum(r.before.found for r in rows) / before)


def _points(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else 100 * (after - before)


def _worst(changes: Sequence[float | None]) -> float | None:
    known = [change for change in changes if change is not None]
    return min(known) if known else None
