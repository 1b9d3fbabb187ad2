"""From inpainted scenes to kept images: compose the twins, run the judges, apply the filter rules.

A refused hazard is replaced by its empty counterpart, so that no image has a hazard without a label. A twin
without any accepted hazard is not kept. Images are BGR uint8 (h, w, 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.vision.detections import iou_matrix
from synth.generation.compositing import apply_camera, paste
from synth.generation.generator import GeneratorCard
from synth.generation.inpainting import InpaintedPlace, InpaintedScene
from synth.generation.prototype_distance import PrototypeDistance
from synth.order import SynthesisOrder
from synth.planning.patches import Box, Image
from synth.selection.filters import Confirmation, DuplicateIndex, FilterLimits, Findings, Refusal, refusal
from synth.selection.judges import ReferenceJudge, fingerprint
from synth.selection.labelled_set import ImageRow, LabelledHazard, RefusedRow, Scores

_SAVED_QUALITY = 95


@dataclass(frozen=True, eq=False)
class KeptImage:
    """An accepted image, the same without its hazards, both BGR uint8 (h, w, 3), and its provenance row."""

    row: ImageRow
    image: Image
    empty: Image

    def jpeg(self) -> bytes:
        """The image as a JPEG file."""
        _, data = cv2.imencode(".jpg", self.image, [cv2.IMWRITE_JPEG_QUALITY, _SAVED_QUALITY])
        return bytes(data)


@dataclass(frozen=True, eq=False)
class RefusedHazard:
    """The row of a refused hazard, and the image in which it was judged, BGR uint8 (h, w, 3)."""

    row: RefusedRow
    image: Image


@dataclass(frozen=True, eq=False)
class Selector:
    """The judges and filter rules of one order."""

    order: SynthesisOrder
    card: GeneratorCard
    reference: ReferenceJudge | None
    prototype: PrototypeDistance | None
    limits: FilterLimits

    def select(
        self, scene: InpaintedScene, duplicates: DuplicateIndex
    ) -> tuple[list[KeptImage], list[RefusedHazard]]:
        """The accepted twins and the refused hazards of a scene; adds accepted hazards to `duplicates`."""
        kept: list[KeptImage] = []
        refused: list[RefusedHazard] = []
        for twin in (0, 1):
            if scene.plan.hazards_of(twin):
                image, without = self._twin(scene, twin, duplicates)
                refused += without
                kept += [] if image is None else [image]
        return kept, refused

    def _twin(
        self, scene: InpaintedScene, twin: int, duplicates: DuplicateIndex
    ) -> tuple[KeptImage | None, list[RefusedHazard]]:
        name = f"{self.order.order}-{scene.plan.index:06d}{'ab'[twin]}"
        wanted = scene.plan.hazards_of(twin)
        tight = {k: box for k in wanted if (box := scene.places[k].tight) is not None}
        image = self._compose(scene, twin, list(tight))
        found = self._judge(image, scene, twin, tight, duplicates)
        verdicts = {k: self._refuse(found[k]) if k in found else Refusal.NO_DIFFERENCE for k in wanted}
        accepted = [k for k in wanted if verdicts[k] is None]
        refused = [
            RefusedHazard(_refused_row(f"{name}/{k}", scene.places[k], verdict, found.get(k)), image)
            for k, verdict in verdicts.items()
            if verdict is not None
        ]
        if not accepted:
            return None, refused
        if accepted != list(tight):
            image = self._compose(scene, twin, accepted)
        hazards = tuple(self._hazard_row(image, scene.places[k], tight[k], found[k]) for k in accepted)
        row = self._image_row(name, scene, image, accepted, hazards)
        add_kept_hazards([row], duplicates)
        return KeptImage(row, image, self._compose(scene, twin, [])), refused

    def _compose(self, scene: InpaintedScene, twin: int, with_hazard: Sequence[int]) -> Image:
        """The twin as its camera delivers it; equal arguments give equal noise."""
        rng = np.random.default_rng([self.order.seed, scene.plan.index, twin, 5])
        return apply_camera(self._before_camera(scene, with_hazard, rng), scene.background, rng)

    def _before_camera(
        self, scene: InpaintedScene, with_hazard: Sequence[int], rng: np.random.Generator
    ) -> Image:
        """Hazards pasted at `with_hazard`, their empty counterparts elsewhere, and the controls."""
        pastings = [p.pasting(with_hazard=k in with_hazard) for k, p in enumerate(scene.places)]
        return paste(scene.background, [*pastings, *scene.controls], rng)

    def _judge(
        self,
        image: Image,
        scene: InpaintedScene,
        twin: int,
        tight: dict[int, Box],
        duplicates: DuplicateIndex,
    ) -> dict[int, Findings]:
        """Measure the hazards of one twin at their tight boxes.

        The reference detector gets the image without camera noise: it has to confirm what was generated,
        while images in which that is hard to detect are the ones that the order needs.
        """
        boxes = list(tight.values())
        confirmed: Sequence[Confirmation | None] = [None] * len(boxes)
        near: Sequence[float | None] = [None] * len(boxes)
        far: Sequence[float | None] = [None] * len(boxes)
        if self.reference is not None:
            noiseless = self._before_camera(scene, list(tight), np.random.default_rng(scene.plan.index))
            confirmed = self.reference.confirm(noiseless, boxes)
        if self.prototype is not None and boxes:
            near = [float(v) for v in self.prototype.distances(image, boxes)]
            far = [float(v) for v in self.prototype.distances(self._compose(scene, twin, []), boxes)]
        found = {}
        for k, confirmation, distance, empty_distance in zip(tight, confirmed, near, far, strict=True):
            inpainted, box = scene.places[k], tight[k]
            found[k] = Findings(
                strength=0.0 if inpainted.label is None else inpainted.label.strength,
                plan_iou=_iou(box, inpainted.place.box),
                shorter_px=min(box[2] - box[0], box[3] - box[1]),
                confirmation=confirmation,
                prototype_distance=distance,
                empty_distance=empty_distance,
                unsafe=_blacked_out(inpainted),
                duplicate_of=duplicates.find(fingerprint(image, box)),
            )
        return found

    def _refuse(self, found: Findings) -> Refusal | None:
        return refusal(found, self.limits, amorphous=self.order.hazard.amorphous)

    def _hazard_row(
        self, image: Image, inpainted: InpaintedPlace, tight: Box, found: Findings
    ) -> LabelledHazard:
        made = inpainted.hazard.provenance
        return LabelledHazard(
            class_name=self.order.class_name,
            planned=_rounded(inpainted.place.box),
            tight=_rounded(tight),
            prompt=made.prompt,
            seed=made.seed,
            sampler=made.sampler,
            steps=made.steps,
            guidance=made.guidance,
            negative_prompt=made.negative_prompt,
            device=made.device,
            prototype_conditioned=made.prototype,
            scores=_scores(found),
            fingerprint=np.packbits(fingerprint(image, tight)).tobytes().hex(),
        )

    def _image_row(
        self,
        name: str,
        scene: InpaintedScene,
        image: Image,
        accepted: Sequence[int],
        hazards: tuple[LabelledHazard, ...],
    ) -> ImageRow:
        empty = [p.place.box for k, p in enumerate(scene.places) if k not in accepted]
        return ImageRow(
            name=name,
            order=self.order.digest,
            generator=self.card.name,
            generator_digest=self.card.digest,
            background=scene.background.identity,
            condition=self.order.condition.key,
            width=image.shape[1],
            height=image.shape[0],
            hazards=hazards,
            empty_patches=tuple(_rounded(box) for box in empty),
            reconstructions=tuple(_rounded(place.box) for place in scene.plan.controls),
        )


def add_kept_hazards(rows: Sequence[ImageRow], duplicates: DuplicateIndex) -> None:
    """Add the hazards of kept images to the index of duplicates."""
    for row in rows:
        for k, hazard in enumerate(row.hazards):
            duplicates.add(f"{row.name}/{k}", _bits(hazard.fingerprint))


def _refused_row(name: str, inpainted: InpaintedPlace, reason: Refusal, found: Findings | None) -> RefusedRow:
    made = inpainted.hazard.provenance
    return RefusedRow(
        name=name,
        reason=reason,
        planned=_rounded(inpainted.place.box),
        prompt=made.prompt,
        seed=made.seed,
        sampler=made.sampler,
        steps=made.steps,
        guidance=made.guidance,
        scores=None if found is None else _scores(found),
    )


def _scores(found: Findings) -> Scores:
    confirmation = found.confirmation
    return Scores(
        strength=round(found.strength, 2),
        plan_iou=round(found.plan_iou, 3),
        reference_score=None if confirmation is None else round(confirmation.score, 3),
        reference_iou=None if confirmation is None else round(confirmation.iou, 3),
        rival=None if confirmation is None else confirmation.rival,
        rival_score=None if confirmation is None else round(confirmation.rival_score, 3),
        prototype_distance=_round(found.prototype_distance),
        empty_distance=_round(found.empty_distance),
    )


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _rounded(box: Box) -> Box:
    return (round(box[0], 2), round(box[1], 2), round(box[2], 2), round(box[3], 2))


def _bits(text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8)).astype(np.bool_)


def _iou(a: Box, b: Box) -> float:
    return float(iou_matrix(np.asarray([a], np.float32), np.asarray([b], np.float32))[0, 0])


def _blacked_out(inpainted: InpaintedPlace) -> bool:
    """Whether the patch is all black: safety checkers of diffusers pipelines replace a flagged image so."""
    return int(inpainted.hazard.image.max()) == 0
