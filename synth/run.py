"""Carry out a synthesis order: inpaint, judge, keep, until the count or the budget is reached; resumable.

Scenes are processed in groups, smaller ones where the generator's batch is small; a group's images are on
disk before its journal entry, so a killed run continues after the last complete group and ends with the same
set as an uninterrupted one. Also the command line `python -m synth.run`.
"""

import argparse
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.vision.detector import Detector
from messaging.releases import ExecutionProvider
from messaging.runtime.program import configure_logging, exit_code_of
from messaging.runtime.stopping import stop_on_signals
from synth.errors import LabelledSetFileLost, OrderRefused
from synth.generation.generator import Generator
from synth.generation.inpainting import Inpainter
from synth.generation.prototype_distance import PrototypeDistance
from synth.journal import Group, RunJournal, claim_folder, held_facts, sole_run
from synth.order import SynthesisOrder, read_order
from synth.planning.backgrounds import Background, Backgrounds
from synth.planning.layout import ScenePlan, plan_scene
from synth.planning.patches import window_rule
from synth.planning.vocabulary import Vocabulary, read_vocabulary
from synth.progress import Progress, append_progress, small_jpeg, write_empty, write_thumbnail
from synth.run_arguments import add_generator_arguments, open_inputs
from synth.selection.filters import DuplicateIndex, FilterLimits, Refusal
from synth.selection.judges import ReferenceJudge
from synth.selection.labelled_set import (
    MANIFEST,
    LabelledSet,
    RefusedRow,
    RunFacts,
    finalise_set,
    write_image,
    write_refused,
)
from synth.selection.selector import KeptImage, RefusedHazard, Selector, add_kept_hazards

logger = logging.getLogger(__name__)

GROUP_SCENES = 8
REFUSED_PX = 320


@dataclass(frozen=True, eq=False)
class Judges:
    """The detectors that judge images, and the limits; both detectors are optional.

    Attributes:
        detector: measures distances to the order's prototype; may be the one under training.
        reference: confirms class and box; must not be the one under training.
        limits: limits of the filter rules.
    """

    detector: Detector | None = None
    reference: Detector | None = None
    limits: FilterLimits = field(default_factory=FilterLimits)


@dataclass(frozen=True)
class RunHooks:
    """Callbacks of a run: `progress` after every group, `should_stop` before every batch; and its clock."""

    progress: Callable[[Progress], None] | None = None
    should_stop: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic


def run_order(
    order: SynthesisOrder,
    *,
    out: Path,
    generator: Generator,
    backgrounds: Backgrounds,
    judges: Judges,
    vocabulary: Vocabulary | None = None,
    hooks: RunHooks | None = None,
) -> LabelledSet:
    """Carry out an order in the folder `out`: start it, continue it, or open its finished set.

    A finished set of which a file was lost is generated again, which gives the same set.
    The set has `order.count` images, or fewer when the budget was spent (`manifest.complete`).

    Raises:
        OrderRefused: the prototype does not belong to the detector, the
            reference is the detector under training, `out` belongs to another run, or another process
            works in it.
        SynthesisStopped: `hooks.should_stop` returned True; call again to continue.
        GeneratorUnavailable, BackgroundsMissing: from the generator and the backgrounds.
    """
    hooks, vocabulary = hooks or RunHooks(), vocabulary or read_vocabulary()
    facts = _facts(order, generator, backgrounds, judges)
    if not generator.closed_vocabulary:
        facts = facts.model_copy(update={"vocabulary": vocabulary.digest})
    with sole_run(out):
        claim_folder(out, facts)
        if (done := _finished(out)) is not None:
            return done
        run = _Run(
            order,
            RunJournal.read(out),
            generator,
            backgrounds,
            judges=judges,
            vocabulary=vocabulary,
            hooks=hooks,
        )
        journal = run.finish()
        done = finalise_set(
            out,
            facts=facts,
            kept=journal.kept,
            refused=journal.refused,
            patches_generated=journal.patches_generated,
            complete=len(journal.kept) == order.count,
        )
        journal.delete()
        logger.info("order %s: kept %d of %d images", order.order, len(journal.kept), order.count)
        return done


def _finished(out: Path) -> LabelledSet | None:
    """The finished set in the folder; None if there is none, or a file of it was lost."""
    if not (out / MANIFEST).exists():
        return None
    try:
        return LabelledSet.open(out)
    except LabelledSetFileLost as error:
        logger.warning("%s; the set is generated again", error)
        (out / MANIFEST).unlink()
        return None


Scenes = list[tuple[ScenePlan, Background]]


class _Run:
    """One run in progress."""

    def __init__(
        self,
        order: SynthesisOrder,
        journal: RunJournal,
        generator: Generator,
        backgrounds: Backgrounds,
        *,
        judges: Judges,
        vocabulary: Vocabulary,
        hooks: RunHooks,
    ) -> None:
        self._order, self._journal, self._backgrounds, self._hooks = order, journal, backgrounds, hooks
        prototype = _prototype_judge(order, judges)
        reference = None if judges.reference is None else ReferenceJudge(judges.reference, order.class_name)
        self._inpainter = Inpainter(order, generator, vocabulary, prototype, hooks.should_stop)
        self._window = window_rule(generator.patch_px)
        self._selector = Selector(order, generator.card, reference, prototype, judges.limits)
        self._largest_group = min(GROUP_SCENES, max(generator.batch // 2, 1))
        self._duplicates = DuplicateIndex()
        add_kept_hazards(journal.kept, self._duplicates)
        self._started, self._kept_before = hooks.clock(), len(journal.kept)

    def finish(self) -> RunJournal:
        """Process groups until the count is reached or the budget is spent."""
        while len(self._journal.kept) < self._order.count and not self._journal.budget_spent:
            scenes, unaffordable = self._next_scenes()
            self._journal.add(self._work(scenes, unaffordable))
            self._report()
        return self._journal

    def _next_scenes(self) -> tuple[Scenes, ScenePlan | None]:
        """The next group's scenes within the budget, and the first scene that the budget does not cover."""
        order, first = self._order, self._journal.next_scene
        left = order.patch_budget - self._journal.patches_generated
        scenes: Scenes = []
        for index in range(first, first + self._group_size()):
            background = self._backgrounds.get(
                order.seed,
                index,
                condition=order.condition,
                width=order.image_width,
                height=order.image_height,
            )
            height, width = background.image.shape[:2]
            plan = plan_scene(
                order, index, width=width, height=height, ground=background.ground, window=self._window
            )
            left -= self._inpainter.cost(plan)
            if left < 0:
                return scenes, plan
            scenes.append((plan, background))
        return scenes, None

    def _group_size(self) -> int:
        """Scenes in the next group: fewer near the end, since a scene gives up to two images."""
        missing = self._order.count - len(self._journal.kept)
        return min(self._largest_group, max(math.ceil(missing / 2), 1))

    def _work(self, scenes: Scenes, unaffordable: ScenePlan | None) -> Group:
        missing = self._order.count - len(self._journal.kept)
        images: list[KeptImage] = []
        refused: list[RefusedHazard] = []
        for scene in self._inpainter.inpaint(scenes):
            accepted, without = self._selector.select(scene, self._duplicates)
            images += accepted
            refused += without
        files: dict[str, str] = {}
        for image in images[:missing]:
            files |= self._write(image)
        rows = [self._write_refused(one, files) for one in refused]
        return Group(
            next_scene=self._journal.next_scene + len(scenes),
            images_judged=sum(min(len(plan.places), 2) for plan, _ in scenes),
            patches_generated=sum(self._inpainter.cost(plan) for plan, _ in scenes),
            kept=tuple(image.row for image in images[:missing]),
            refused=(*rows, *self._out_of_budget(unaffordable)),
            files=files,
        )

    def _write(self, kept: KeptImage) -> dict[str, str]:
        folder, row = self._journal.folder, kept.row
        files = write_image(folder, row, kept.jpeg(), self._order.taxonomy.names)
        write_thumbnail(folder, row.name, kept.image, [hazard.tight for hazard in row.hazards])
        write_empty(folder, row.name, kept.empty)
        return files

    def _write_refused(self, refused: RefusedHazard, files: dict[str, str]) -> RefusedRow:
        """Write the picture of a refused hazard, enter it in `files`, and return the row that names it."""
        order, generator = self._order.digest, self._selector.card.name
        jpeg = small_jpeg(refused.image, [refused.row.planned], longer_px=REFUSED_PX)
        row, digest = write_refused(self._journal.folder, refused.row, jpeg, order=order, generator=generator)
        files[row.picture] = digest
        return row

    def _out_of_budget(self, plan: ScenePlan | None) -> tuple[RefusedRow, ...]:
        if plan is None:
            return ()
        name = f"{self._order.order}-{plan.index:06d}"
        return tuple(
            RefusedRow(name=f"{name}/{k}", reason=Refusal.OUT_OF_BUDGET, planned=place.box)
            for k, place in enumerate(plan.places)
        )

    def _report(self) -> None:
        kept = len(self._journal.kept)
        fresh, spent = kept - self._kept_before, self._hooks.clock() - self._started
        progress = Progress(
            order=self._order.order,
            asked=self._order.count,
            images_judged=self._journal.images_judged,
            kept=kept,
            refused=self._journal.refused_by_reason(),
            patches_generated=self._journal.patches_generated,
            patch_budget=self._order.patch_budget,
            seconds_left=round(spent / fresh * (self._order.count - kept), 1) if fresh else None,
            seconds=round(spent, 3),
        )
        append_progress(self._journal.folder, progress)
        if self._hooks.progress is not None:
            self._hooks.progress(progress)


def _prototype_judge(order: SynthesisOrder, judges: Judges) -> PrototypeDistance | None:
    if order.prototype is None:
        return None
    if judges.detector is None:
        raise OrderRefused(
            f"order {order.order} has a prototype but no detector to measure distances with; give the "
            f"detector bundle with embedding {order.prototype.embedding_digest[:12]}"
        )
    return PrototypeDistance(judges.detector, order.prototype)


def _facts(order: SynthesisOrder, generator: Generator, backgrounds: Backgrounds, judges: Judges) -> RunFacts:
    """The facts of this run. Raises `OrderRefused` for unusable judges."""
    detector = None if judges.detector is None else judges.detector.digest
    reference = None if judges.reference is None else judges.reference.digest
    if detector is not None and detector == reference:
        raise OrderRefused(
            f"the reference detector {detector[:12]} is the one under training, so it confirms "
            "nothing; give another bundle as reference"
        )
    return RunFacts(
        order=order.model_dump(mode="json"),
        order_digest=order.digest,
        class_names=order.taxonomy.names,
        generator=generator.card.name,
        generator_digest=generator.card.digest,
        generator_licence=generator.card.licence,
        backgrounds=backgrounds.identity,
        detector=detector,
        reference=reference,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m synth.run ORDER.json OUT ...`; returns the exit code: 0, 1 for an error, 2 for its usage."""
    given = _parse(arguments)
    configure_logging()
    return exit_code_of(lambda: _carry_out(given, stop_on_signals()))


def _carry_out(given: argparse.Namespace, stop: threading.Event) -> None:
    order = read_order(given.order)
    held_facts(given.out)
    generator, backgrounds, vocabulary = open_inputs(given, order.sampling)
    judges = Judges(
        detector=_open_detector(given.detector, given.providers),
        reference=_open_detector(given.reference, given.providers),
    )
    done = run_order(
        order,
        out=given.out,
        generator=generator,
        backgrounds=backgrounds,
        judges=judges,
        vocabulary=vocabulary,
        hooks=RunHooks(progress=_log_progress, should_stop=stop.is_set),
    )
    logger.info("labelled set %s in %s", done.digest, given.out)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="synth.run", description="Carry out one synthesis order.")
    parser.add_argument("order", type=Path, help="the order as JSON")
    parser.add_argument("out", type=Path, help="folder of the labelled set")
    add_generator_arguments(parser)
    parser.add_argument(
        "--detector", type=Path, help="bundle of the detector whose embedding the prototype is in"
    )
    parser.add_argument("--reference", type=Path, help="bundle that confirms boxes; not the trained one")
    parser.add_argument(
        "--providers",
        nargs="*",
        default=(),
        type=ExecutionProvider,
        help="execution providers of the detectors, the best first; else the best that the runtime has",
    )
    return parser.parse_args(arguments)


def _open_detector(bundle: Path | None, providers: Sequence[ExecutionProvider]) -> Detector | None:
    from edge.vision.onnx_detector import OnnxDetector

    return None if bundle is None else OnnxDetector(bundle, providers=providers)


def _log_progress(progress: Progress) -> None:
    logger.info(
        "%d of %d images kept, refused %s, %d patches generated, %s s left",
        progress.kept,
        progress.asked,
        progress.refused,
        progress.patches_generated,
        progress.seconds_left,
    )


if __name__ == "__main__":
    raise SystemExit(main())
