"""The stages that make images: plan, synthesise, filter.

Orders are written as JSON; painting and judging run in `python -m synth.run`, one process an order, which
goes on after a kill where it stopped; the finished sets are verified and their images entered in the store.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud.campaigns.planning import class_to_paint, synthesis_order
from cloud.campaigns.services import Parts
from cloud.campaigns.stage import StageResult, StageWork
from cloud.fleet.first_model import shipped
from cloud.module_runs import ModuleRun, run_modules
from cloud.starting_detector import REFERENCE_WEIGHTS
from cloud.store.records import CampaignStage, SyntheticImage
from messaging.blobs import write_atomically
from synth.progress import read_progress
from synth.selection.labelled_set import LabelledSet

SYNTHESIS = "synth.run"
MIN_KEPT_SHARE = 0.25


def plan(parts: Parts, work: StageWork) -> StageResult:
    """One synthesis order a failure mode, from the evidence as it is now."""
    orders: list[dict[str, Any]] = []
    for name in work.campaign.plan.modes:
        mode = parts.register.mode(name)
        suggested = parts.register.suggested_class(mode)
        order = synthesis_order(
            mode,
            class_name=class_to_paint(mode, suggested),
            prototype=parts.register.prototype_for(mode),
            plan=work.campaign.plan,
            campaign=work.campaign.id,
            settings=parts.settings.synthesis,
        )
        orders.append({"mode": name, "order": order.model_dump(mode="json"), "digest": order.digest})
    asked = sum(row["order"]["count"] for row in orders)
    return StageResult(
        output={"orders": orders},
        figures={
            "images_asked": asked,
            "orders": len(orders),
            "with_prototype": sum(row["order"]["prototype"] is not None for row in orders),
        },
    )


def synthesise(parts: Parts, work: StageWork) -> StageResult:
    """Carry the orders out, some side by side; images appear in the store while they are painted."""
    orders = [_Order.of(row, work.folder) for row in work.output(CampaignStage.PLAN, "orders")]
    judges = _judges(parts, work)

    def tick() -> None:
        _tell(work, orders)
        for order in orders:
            _enter_thumbnails(parts, work, order)

    work.check()
    run_modules(
        SYNTHESIS,
        [
            ModuleRun([str(order.path), str(order.folder), *judges], order.folder.with_suffix(".log"))
            for order in orders
        ],
        stopping=work.stopping,
        side_by_side=parts.settings.synthesis.side_by_side,
        tick=tick,
        environment={"OMP_NUM_THREADS": str(parts.settings.synthesis.threads)},
    )
    data = parts.settings.data.absolute()
    sets = [{"mode": order.mode, "folder": str(order.folder.relative_to(data))} for order in orders]
    return StageResult(output={"sets": sets}, figures={"orders": len(orders)})


@dataclass(frozen=True)
class _Order:
    """One order under way: its mode, its file, its folder (both absolute), the thumbnails entered so far."""

    mode: str
    path: Path
    folder: Path
    entered: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, row: dict[str, Any], stage_folder: Path) -> "_Order":
        """Write the order's file and make its folder."""
        folder = stage_folder.absolute() / row["digest"][:16]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder.with_suffix(".json")
        write_atomically(path, json.dumps(row["order"]).encode())
        return cls(row["mode"], path, folder)


def _tell(work: StageWork, orders: Sequence[_Order]) -> None:
    """All orders' progress as one."""
    begun = [progress for order in orders if (progress := read_progress(order.folder)) is not None]
    if not begun:
        return
    kept = sum(progress.kept for progress in begun)
    refused = sum(sum(progress.refused.values()) for progress in begun)
    share = sum(progress.kept / max(progress.asked, 1) for progress in begun) / len(orders)
    left = max(progress.seconds_left or 0.0 for progress in begun)
    asked = work.campaign.plan.count * len(orders)
    still = f", {left:.0f} s left" if left else ""
    work.progress(share, f"{kept} of {asked} kept, {refused} refused{still}")


def _judges(parts: Parts, work: StageWork) -> list[str]:
    """Generator, detector (owner of the prototypes' embedding), reference and backgrounds for `synth.run`."""
    synthesis, arguments = parts.settings.synthesis, []
    if synthesis.generator is not None:
        arguments += ["--generator", synthesis.generator]
    incumbent = work.campaign.plan.incumbent_digest
    if incumbent is not None:
        arguments += ["--detector", str(parts.models.bundle(incumbent).absolute())]
    reference_weights = synthesis.reference_weights or shipped(REFERENCE_WEIGHTS)
    if reference_weights is not None:
        reference = parts.models.export(reference_weights, work.stopping)
        arguments += ["--reference", str(parts.models.bundle(reference).absolute())]
    if (backgrounds := parts.datasets.backgrounds) is not None:
        arguments += ["--backgrounds", str(backgrounds)]
    return arguments


def _enter_thumbnails(parts: Parts, work: StageWork, order: _Order) -> None:
    paths = sorted((order.folder / "thumbnails").glob("*.jpg"))
    fresh = [path for path in paths if path.stem not in order.entered]
    order.entered.update(path.stem for path in fresh)
    data = parts.settings.data.absolute()
    parts.campaign_rows.put_images(
        [
            SyntheticImage(
                campaign=work.campaign.id,
                name=path.stem,
                mode=order.mode,
                kept=True,
                thumbnail=path.relative_to(data).as_posix(),
            )
            for path in fresh
        ]
    )


def filter_(parts: Parts, work: StageWork) -> StageResult:
    """Verify the sets, enter every image with provenance or reason; too few images end the campaign."""
    sets: list[dict[str, Any]] = []
    kept = refused = 0
    for row in work.output(CampaignStage.SYNTHESISE, "sets"):
        work.check()
        labelled = LabelledSet.open(parts.settings.data / row["folder"])
        images = _image_rows(parts, work, row["mode"], labelled)
        parts.campaign_rows.put_images(images)
        kept += sum(image.kept for image in images)
        refused += sum(not image.kept for image in images)
        sets.append({**row, "digest": labelled.digest, "images": len(labelled.images)})
    _count(parts, work)
    asked = len(sets) * work.campaign.plan.count
    stop = None
    if kept < MIN_KEPT_SHARE * asked:
        stop = f"only {kept} of {asked} images passed the filters; look at the reasons and at the generator"
    return StageResult(
        output={"sets": sets}, figures={"asked": asked, "kept": kept, "refused": refused}, stop=stop
    )


def _image_rows(parts: Parts, work: StageWork, mode: str, labelled: LabelledSet) -> list[SyntheticImage]:
    rows = []
    for image in labelled.provenance():
        thumbnail = labelled.folder / "thumbnails" / f"{image.name}.jpg"
        hazards = [
            {"class": h.class_name, "prompt": h.prompt, "seed": h.seed, "box": list(h.tight)}
            for h in image.hazards
        ]
        rows.append(
            SyntheticImage(
                campaign=work.campaign.id,
                name=image.name,
                mode=mode,
                kept=True,
                thumbnail=thumbnail.relative_to(parts.settings.data).as_posix() if thumbnail.exists() else "",
                provenance={
                    "generator": image.generator,
                    "background": image.background,
                    "condition": image.condition,
                    "hazards": hazards,
                },
            )
        )
    return rows + [
        SyntheticImage(
            campaign=work.campaign.id,
            name=f"{row.name}#{index}",
            mode=mode,
            kept=False,
            reason=str(row.reason),
            provenance={"prompt": row.prompt, "seed": row.seed},
        )
        for index, row in enumerate(labelled.refused())
    ]


def _count(parts: Parts, work: StageWork) -> None:
    for (kept, reason), number in parts.campaign_rows.image_counts(work.campaign.id).items():
        result = "kept" if kept else "refused"
        parts.metrics.synthetic_images.labels(result=result, reason=reason).inc(number)
