"""The stages that make images: plan, synthesise, filter.

Orders are written as JSON; generation and judging run in `python -m synth.run`, one process for each order,
which continues after a kill where it stopped. The finished sets are verified and their images entered in the
store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloud.campaigns.outputs import (
    FilterOutput,
    GeneratedSet,
    PlannedOrder,
    PlanOutput,
    SynthesiseOutput,
    VerifiedSet,
)
from cloud.campaigns.planning import order_of_mode
from cloud.campaigns.stage import StageResult, StageWork
from cloud.data.datasets import DatasetRegister
from cloud.detector.model_files import ModelFiles
from cloud.failure_modes.register import ModeRegister
from cloud.module_runs import ModuleRun, run_modules
from cloud.settings import EvaluationSettings, SynthesisSettings
from cloud.starting_detector import shipped_judge
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import SyntheticImage
from messaging.runtime.atomic_files import write_atomically
from synth.progress import read_progress
from synth.selection.labelled_set import ImageRow, LabelledSet, RefusedRow

SYNTHESIS_MODULE = "synth.run"
MIN_KEPT_FRACTION = 0.25


@dataclass(frozen=True)
class ImageStages:
    """Plan, synthesise and filter; `data` is the cloud's data folder."""

    data: Path
    settings: SynthesisSettings
    evaluation: EvaluationSettings
    register: ModeRegister
    datasets: DatasetRegister
    models: ModelFiles
    store: CampaignStore

    def plan(self, work: StageWork) -> StageResult:
        """Failure modes -> synthesis orders, from the evidence as it is now."""
        orders = [self._order(name, work) for name in work.campaign.plan.modes]
        metrics = {
            "images_asked": sum(planned.order.count for planned in orders),
            "orders": len(orders),
            "with_prototype": sum(planned.order.prototype is not None for planned in orders),
        }
        return StageResult(PlanOutput(orders=tuple(orders)), metrics)

    def _order(self, name: str, work: StageWork) -> PlannedOrder:
        mode = self.register.mode_to_generate(name)
        order = order_of_mode(
            mode,
            self.register,
            prototype=self.register.prototype_for(mode),
            plan=work.campaign.plan,
            campaign=work.campaign.id,
            settings=self.settings,
        )
        return PlannedOrder(mode=name, order=order)

    def synthesise(self, work: StageWork) -> StageResult:
        """Synthesis orders -> labelled sets, several at once; images enter the store when generated."""
        orders = [_RunningOrder.of(planned, work.folder) for planned in work.output(PlanOutput).orders]
        judges = self._judges(work)

        def tick() -> None:
            _report_progress(work, orders)
            for order in orders:
                self._enter_thumbnails(work, order)

        work.check()
        run_modules(
            SYNTHESIS_MODULE,
            [
                ModuleRun([str(order.path), str(order.folder), *judges], order.folder.with_suffix(".log"))
                for order in orders
            ],
            stopping=work.stopping,
            side_by_side=self.settings.side_by_side,
            tick=tick,
            environment={"OMP_NUM_THREADS": str(self.settings.threads)},
        )
        sets = tuple(GeneratedSet(mode=o.mode, folder=self._relative(o.folder)) for o in orders)
        return StageResult(SynthesiseOutput(sets=sets), {"orders": len(orders)})

    def _judges(self, work: StageWork) -> list[str]:
        """Arguments of `synth.run`: generator, options, detector (for prototypes), reference, backgrounds."""
        arguments = generator_arguments(self.settings, work.folder.absolute())
        arguments += ["--providers", *self.evaluation.providers]
        incumbent = work.campaign.plan.incumbent_digest
        if incumbent is not None:
            arguments += ["--detector", str(self.models.bundle(incumbent).absolute())]
        reference_weights = self.settings.reference_weights or shipped_judge()
        if reference_weights is not None:
            reference = self.models.export(reference_weights, work.stopping)
            arguments += ["--reference", str(self.models.bundle(reference).absolute())]
        if (backgrounds := self.datasets.backgrounds) is not None:
            arguments += ["--backgrounds", str(backgrounds)]
        return arguments

    def _enter_thumbnails(self, work: StageWork, order: "_RunningOrder") -> None:
        paths = sorted((order.folder / "thumbnails").glob("*.jpg"))
        fresh = [path for path in paths if path.stem not in order.entered]
        order.entered.update(path.stem for path in fresh)
        self.store.put_images(
            [
                SyntheticImage(
                    campaign=work.campaign.id,
                    name=path.stem,
                    mode=order.mode,
                    kept=True,
                    thumbnail=self._relative(path),
                )
                for path in fresh
            ]
        )

    def filter(self, work: StageWork) -> StageResult:
        """Verify the sets, store every image with provenance or reason; too few end the campaign."""
        sets: list[VerifiedSet] = []
        images: list[SyntheticImage] = []
        orders = {planned.mode: planned for planned in work.output(PlanOutput).orders}
        unsteered: list[str] = []
        generators: dict[str, dict[str, str]] = {}
        for generated in work.output(SynthesiseOutput).sets:
            work.check()
            labelled = LabelledSet.open(self.data / generated.folder)
            images += self._image_rows(work, orders[generated.mode], labelled)
            facts = labelled.facts()
            generators[facts.generator_digest] = {
                "name": facts.generator,
                "digest": facts.generator_digest,
                "licence": facts.generator_licence,
            }
            if orders[generated.mode].order.prototype is not None and not _steered(labelled):
                unsteered.append(generated.mode)
            sets.append(
                VerifiedSet(
                    mode=generated.mode,
                    folder=generated.folder,
                    digest=labelled.digest,
                    images=len(labelled.images),
                )
            )
        self.store.put_images(images)
        kept = sum(image.kept for image in images)
        asked = sum(planned.order.count for planned in work.output(PlanOutput).orders)
        stop = None
        if kept < MIN_KEPT_FRACTION * asked:
            stop = f"only {kept} of {asked} images passed the filters; check the reasons and the generator"
        counts = {"asked": asked, "kept": kept, "refused": len(images) - kept}
        metrics = {**counts, "generators": list(generators.values())}
        return StageResult(FilterOutput(sets=tuple(sets)), metrics, stop, _unsteered_note(unsteered))

    def _image_rows(
        self, work: StageWork, planned: PlannedOrder, labelled: LabelledSet
    ) -> list[SyntheticImage]:
        campaign, mode = work.campaign.id, planned.mode
        rows = []
        for image in labelled.provenance():
            path = labelled.folder / "thumbnails" / f"{image.name}.jpg"
            thumbnail = self._relative(path) if path.exists() else ""
            rows.append(kept_image(image, campaign=campaign, mode=mode, thumbnail=thumbnail))
        class_name = planned.order.class_name
        pictures = {name: self._relative(labelled.folder / name) for name in labelled.manifest.files}
        return rows + [
            refused_image(
                row,
                index,
                campaign=campaign,
                mode=mode,
                class_name=class_name,
                thumbnail=pictures.get(row.picture, ""),
            )
            for index, row in enumerate(labelled.refused())
        ]

    def _relative(self, path: Path) -> str:
        return path.absolute().relative_to(self.data.absolute()).as_posix()


def kept_image(row: ImageRow, *, campaign: str, mode: str, thumbnail: str = "") -> SyntheticImage:
    """A kept image as it is stored; `thumbnail` is a path in the data folder."""
    return SyntheticImage(
        campaign=campaign,
        name=row.name,
        mode=mode,
        kept=True,
        thumbnail=thumbnail,
        provenance={
            "generator": row.generator,
            "background": row.background,
            "condition": row.condition,
            "width": row.width,
            "height": row.height,
            "hazards": [
                {
                    "class": hazard.class_name,
                    "prompt": hazard.prompt,
                    "seed": hazard.seed,
                    "sampler": hazard.sampler,
                    "steps": hazard.steps,
                    "guidance": hazard.guidance,
                    "box": list(hazard.tight),
                    "scores": hazard.scores.model_dump(exclude_none=True),
                    "fingerprint": hazard.fingerprint,
                }
                for hazard in row.hazards
            ],
        },
    )


def refused_image(
    row: RefusedRow, index: int, *, campaign: str, mode: str, class_name: str, thumbnail: str = ""
) -> SyntheticImage:
    """A refused hazard, the one of its set at `index`, as it is stored; the class is that of its order.

    `thumbnail` is a path in the data folder. Its provenance has no `hazards`: they are those with a label.
    """
    return SyntheticImage(
        campaign=campaign,
        name=f"{row.name}#{index}",
        mode=mode,
        kept=False,
        reason=str(row.reason),
        thumbnail=thumbnail,
        provenance={
            "class_name": class_name,
            "prompt": row.prompt,
            "seed": row.seed,
            "sampler": row.sampler,
            "steps": row.steps,
            "guidance": row.guidance,
            "scores": row.scores.model_dump(exclude_none=True) if row.scores else {},
        },
    )


def generator_arguments(synthesis: SynthesisSettings, folder: Path) -> list[str]:
    """Arguments of `synth.run` for every order; the generator's options are written into the folder."""
    options = folder / "generator.json"
    write_atomically(options, synthesis.options.model_dump_json().encode())
    arguments = ["--options", str(options), "--licence", synthesis.generator_licence]
    arguments += ["--streets", synthesis.streets]
    if synthesis.generator is not None:
        arguments += ["--generator", synthesis.generator]
    if synthesis.prompts is not None:
        arguments += ["--prompts", str(synthesis.prompts.absolute())]
    return arguments


def _steered(labelled: LabelledSet) -> bool:
    """Whether a prototype conditioned the generator; true for a set without images."""
    hazards = [hazard for image in labelled.provenance() for hazard in image.hazards]
    return not hazards or any(hazard.prototype_conditioned for hazard in hazards)


def _unsteered_note(modes: Sequence[str]) -> str:
    if not modes:
        return ""
    return (
        f"the generator was not steered by the prototypes of {', '.join(modes)}: it takes none, or those of "
        "another embedding space than the detector's; they only ranked and filtered the images"
    )


@dataclass(frozen=True)
class _RunningOrder:
    """One order: its mode, its images, its file and folder (both absolute), the thumbnails entered so far."""

    mode: str
    count: int
    path: Path
    folder: Path
    entered: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, planned: PlannedOrder, stage_folder: Path) -> "_RunningOrder":
        """Write the order's file and make its folder."""
        folder = stage_folder.absolute() / planned.order.digest[:16]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder.with_suffix(".json")
        write_atomically(path, planned.order.model_dump_json().encode())
        return cls(planned.mode, planned.order.count, path, folder)


def _report_progress(work: StageWork, orders: Sequence[_RunningOrder]) -> None:
    """Combine the progress of all orders."""
    begun = [progress for order in orders if (progress := read_progress(order.folder)) is not None]
    if not begun:
        return
    kept = sum(progress.kept for progress in begun)
    refused = sum(sum(progress.refused.values()) for progress in begun)
    fraction = sum(progress.kept / max(progress.asked, 1) for progress in begun) / len(orders)
    asked = sum(order.count for order in orders)
    work.progress(fraction, f"{kept} of {asked} kept, {refused} refused")
