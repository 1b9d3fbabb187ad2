"""After the last stage: read the state of the cloud and the ground truth, and compile the result."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.api.client import RemoteCloud
from cloud.data.labelled_images import open_labelled
from cloud.data.roles import DataRole
from cloud.demo.clips import CLIPS_CAMERA, CLIPS_SITE, clip_rows
from cloud.demo.drawn.footage import camera_folder, truths
from cloud.demo.drawn.truth import Key, true_metrics
from cloud.demo.players import DrawnPlayer, Player
from cloud.demo.report import data_url
from cloud.demo.result import ClipRow, DemoResult, Images, Measured, Row, Score, SiteBytes
from cloud.demo.script import CAMERAS, FootagePhase
from cloud.detector.weights import BUNDLE_FILE
from cloud.evaluation.evaluate import Tally, evaluate_all
from cloud.settings import DataFolder
from cloud.starting_detector.photograph_pack import PACK
from edge.vision.detector import Detector
from edge.vision.onnx_detector import OnnxDetector
from messaging.resources import (
    CampaignResource,
    ComparisonResource,
    FailureModeResource,
    StageResource,
)

SAMPLES = 12
NO_BOXES = Score(0, 0, 0)
PHOTOGRAPHS = "photographs"


@dataclass(frozen=True)
class CloudState:
    """The state of the cloud before it was stopped."""

    campaigns: tuple[CampaignResource, ...]
    modes: tuple[FailureModeResource, ...]
    comparison: tuple[ComparisonResource, ...]


def read_cloud_state(cloud: RemoteCloud, campaigns: Sequence[str]) -> CloudState:
    """Read campaigns, failure modes and the last comparison from the API."""
    return CloudState(
        tuple(cloud.get(f"campaigns/{name}", CampaignResource) for name in campaigns),
        tuple(cloud.page("failure-modes", FailureModeResource)),
        tuple(cloud.page(f"campaigns/{campaigns[-1]}/comparison", ComparisonResource)),
    )


def outcome(
    work: Path, evidence: CloudState, measured: Measured, base_digest: str, player: Player
) -> DemoResult:
    """The first and the last model in service on the footage of the last verification, and all else.

    Without drawn footage there is no ground truth: then the rows are the metrics of the shadow runs.
    """
    last = evidence.campaigns[-1]
    promoted = [(number, promoted_model(campaign)) for number, campaign in enumerate(evidence.campaigns)]
    notes = [
        f"Round {number + 1} put no model in service: {campaign.reason or campaign.state}."
        for (number, digest), campaign in zip(promoted, evidence.campaigns, strict=True)
        if digest is None
    ]
    photographs: tuple[Row, ...] = ()
    clips: tuple[ClipRow, ...] = ()
    if isinstance(player, DrawnPlayer):
        verified = [(number, digest) for number, digest in promoted if digest] or [(0, base_digest)]
        models = DataFolder(work / "cloud").models
        detectors = [
            OnnxDetector(models / digest / BUNDLE_FILE, threads=2)
            for digest in (base_digest, verified[-1][1])
        ]
        rows = _rows(work, evidence, detectors, verified[-1][0])
        photographs = photograph_rows(detectors, PACK / DataRole.HOLDOUT)
        clips = clip_rows(detectors, player.clips)
    else:
        rows = shadow_rows(evidence.comparison, frozenset(last.modes))
        notes.append("No ground truth: recall is of tracks that the teacher confirms, from the shadow run.")
    return DemoResult(
        rows=rows,
        sites=tuple(
            site_bytes(work, site, _cameras_of(site))
            for site in player.sites
            if (work / "sites" / site).exists()
        ),
        images=images_of(evidence),
        stages_s=stage_times(last),
        measured=measured,
        photographs=photographs,
        clips=clips,
        failure_modes=tuple(mode.model_dump(mode="json") for mode in evidence.modes),
        samples=samples_of(DataFolder(work / "cloud").campaign(last.id)),
        notes=tuple(notes),
    )


def _cameras_of(site: str) -> list[str]:
    return [CLIPS_CAMERA] if site == CLIPS_SITE else [c.name for c in CAMERAS if c.site == site]


def promoted_model(campaign: CampaignResource) -> str | None:
    """Digest of the model that a campaign put in service; None when it put none in service."""
    rolled_out = any(s.stage == "roll_out" and s.state == "done" for s in campaign.stages)
    return campaign.candidate_digest if rolled_out else None


def stage_metric(campaign: CampaignResource, stage: str, name: str) -> int | None:
    """An integer metric of a stage; None when the stage was not reached."""
    value = next((s.metrics.get(name) for s in campaign.stages if s.stage == stage), None)
    return None if value is None else int(value)


def rounds_in_a_row(campaigns: Iterable[CampaignResource]) -> int:
    """The longest run of campaigns of which each closed a failure mode that none before it had closed."""
    longest, running, closed = 0, 0, set[str]()
    for campaign in campaigns:
        another = _closed_by(campaign) - closed
        closed |= another
        running = running + 1 if another else 0
        longest = max(longest, running)
    return longest


def _closed_by(campaign: CampaignResource) -> set[str]:
    """The failure modes that a campaign's verify stage measured as closed."""
    verified = next((s.metrics for s in campaign.stages if s.stage == "verify"), {})
    judged = {mode: row for mode, row in verified.items() if isinstance(row, dict)}
    closed = {mode for mode, row in judged.items() if row.get("status") == "closed"}
    return closed if campaign.state == "done" else set()


def _rows(
    work: Path, evidence: CloudState, detectors: Sequence[Detector], round_number: int
) -> tuple[Row, ...]:
    footage = [
        pair for camera in CAMERAS for pair in truths(work, camera.name, FootagePhase.VERIFY, round_number)
    ]
    before, after = true_metrics(detectors, footage)
    targets = {name for campaign in evidence.campaigns for name in campaign.modes}
    estimates = _estimates(evidence)
    keys = sorted({*before.boxes, *after.boxes}, key=lambda key: (key[1], key[0]))
    return tuple(
        Row(
            key[0],
            key[1],
            any(name.startswith(f"{key[0]}.{key[1]}.") for name in targets),
            before.boxes.get(key, NO_BOXES),
            after.boxes.get(key, NO_BOXES),
            estimates.get(key, (None, 0))[0],
            after.track_recall(key),
            estimates.get(key, (None, 0))[1],
        )
        for key in keys
        if before.boxes.get(key, NO_BOXES).truth
    )


def photograph_rows(detectors: Sequence[Detector], folder: Path) -> tuple[Row, ...]:
    """Both detectors on labelled photographs, one row a class that has true boxes."""
    before, after = evaluate_all(detectors, open_labelled(folder))
    found = [
        (name, before.of_class(name), after.of_class(name)) for name in detectors[0].description.class_names
    ]
    return tuple(
        Row(name, PHOTOGRAPHS, False, _score(one), _score(other))
        for name, one, other in found
        if one is not None and one.truths
    )


def _score(tally: Tally | None) -> Score:
    return NO_BOXES if tally is None else Score(tally.truths, tally.true_positives, tally.false_positives)


def shadow_rows(comparison: Iterable[ComparisonResource], targets: frozenset[str]) -> tuple[Row, ...]:
    """Rows of the shadow runs: supported tracks as true, detected as found, unsupported as false."""
    return tuple(
        Row(
            cell.class_name,
            cell.condition,
            any(name.startswith(f"{cell.class_name}.{cell.condition}.") for name in targets),
            _shadow_score(cell.before),
            _shadow_score(cell.after),
        )
        for cell in comparison
        if cell.role.startswith("shadow:")
    )


def _shadow_score(metrics: dict[str, Any] | None) -> Score:
    if metrics is None:
        return NO_BOXES
    return Score(int(metrics["supported"]), int(metrics["detected"]), int(metrics["unsupported"]))


def _estimates(evidence: CloudState) -> dict[Key, tuple[float | None, int]]:
    return {(m.class_name, m.condition): (m.recall.value, m.recall.supported) for m in evidence.modes}


def site_bytes(work: Path, site: str, cameras: Sequence[str]) -> SiteBytes:
    """Messages and bytes in the ledger of the site's gate: everything that left, heartbeats included."""
    status = json.loads((work / "sites" / site / "gate" / "gate_status.json").read_text())
    footage = sum(path.stat().st_size for camera in cameras for path in camera_folder(work, camera).glob("*"))
    return SiteBytes(site, status["bytes_by_kind"], status["forwarded"], footage)


def images_of(evidence: CloudState) -> Images:
    """Numbers of images of all campaigns."""
    refused: Counter[str] = Counter()
    for campaign in evidence.campaigns:
        refused.update(campaign.images_refused)
    ordered = sum(campaign.count * len(campaign.modes) for campaign in evidence.campaigns)
    return Images(ordered, sum(campaign.images_kept for campaign in evidence.campaigns), dict(refused))


def stage_times(campaign: CampaignResource) -> dict[str, float]:
    """Seconds that each stage took."""

    def seconds(stage: StageResource) -> float:
        return float((stage.ended_at or time.time()) - stage.started_at) if stage.started_at else 0.0

    return {stage.stage: seconds(stage) for stage in campaign.stages}


def samples_of(folder: Path) -> tuple[str, ...]:
    """Up to `SAMPLES` kept synthetic images with boxes, as data URLs; equal folders give equal samples."""
    found = sorted(folder.rglob("thumbnails/*.jpg"))
    chosen = random.Random(0).sample(found, min(SAMPLES, len(found)))
    return tuple(data_url(path) for path in sorted(chosen))
