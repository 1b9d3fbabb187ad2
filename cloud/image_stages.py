"""The stages that make images: plan, synthesise, filter.

Orders are written as JSON; painting and judging run in `python -m synth.run`, one process an order, which
goes on after a kill where it stopped; the finished sets are verified and their images entered in the store.
"""

import json
from pathlib import Path
from typing import Any

from cloud.campaign_stages import StageResult, StageWork
from cloud.datasets import DataRole
from cloud.first_model import shipped
from cloud.planning import class_to_paint, synthesis_order
from cloud.records import CampaignStage, SyntheticImage
from cloud.services import Parts
from cloud.starting_detector import REFERENCE_WEIGHTS
from cloud.workers import run_module
from messaging.blobs import write_atomically
from synth.labelled_set import LabelledSet
from synth.progress import read_progress

ORDER_FILE = "order.json"
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
    """Carry the orders out one after another; images appear in the store while they are painted."""
    orders = work.output(CampaignStage.PLAN, "orders")
    sets: list[dict[str, Any]] = []
    for index, row in enumerate(orders):
        folder = work.folder / row["digest"][:16]
        _paint(parts, work, row, folder, done=index, total=len(orders))
        sets.append({"mode": row["mode"], "folder": str(folder.relative_to(parts.settings.data))})
    return StageResult(output={"sets": sets}, figures={"orders": len(orders)})


def _paint(
    parts: Parts, work: StageWork, row: dict[str, Any], folder: Path, *, done: int, total: int
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    order_path = work.folder / f"{row['digest'][:16]}.{ORDER_FILE}"
    write_atomically(order_path, json.dumps(row["order"]).encode())
    seen: set[str] = set()

    def tick() -> None:
        progress = read_progress(folder)
        if progress is None:
            return
        share = (done + progress.kept / max(progress.asked, 1)) / total
        refused = sum(progress.refused.values())
        left = f", {progress.seconds_left:.0f} s left" if progress.seconds_left else ""
        work.progress(share, f"{progress.kept} of {progress.asked} kept, {refused} refused{left}")
        _enter_thumbnails(parts, work, row["mode"], folder, seen)

    work.check()
    run_module(
        SYNTHESIS,
        [str(order_path.absolute()), str(folder.absolute()), *_judges(parts, work)],
        log_path=work.folder / "synth.log",
        stopping=work.stopping,
        tick=tick,
        environment={"OMP_NUM_THREADS": str(parts.settings.synthesis.threads)},
    )


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
    backgrounds = parts.datasets.folders(DataRole.BACKGROUND)
    if backgrounds:
        arguments += ["--backgrounds", str(backgrounds[0].absolute())]
    return arguments


def _enter_thumbnails(parts: Parts, work: StageWork, mode: str, folder: Path, seen: set[str]) -> None:
    fresh = [path for path in sorted((folder / "thumbnails").glob("*.jpg")) if path.stem not in seen]
    seen |= {path.stem for path in fresh}
    parts.campaign_rows.put_images(
        [
            SyntheticImage(
                campaign=work.campaign.id,
                name=path.stem,
                mode=mode,
                kept=True,
                thumbnail=path.relative_to(parts.settings.data).as_posix(),
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
