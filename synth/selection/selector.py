"""From painted scenes to kept pictures: compose the twins, ask the judges, apply the rules.

A hazard that is refused is replaced by its empty counterpart, so that no picture holds a hazard without
a label. A twin with no hazard left is not kept. Images are BGR uint8.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.vision.detections import iou_matrix
from messaging.taxonomy import Taxonomy
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
    """A picture worth keeping and everything known about it."""

    row: ImageRow
    image: Image

    def jpeg(self) -> bytes:
        """The picture as a JPEG file."""
        _, data = cv2.imencode(".jpg", self.image, [cv2.IMWRITE_JPEG_QUALITY, _SAVED_QUALITY])
        return bytes(data)


@dataclass(frozen=True, eq=False)
class Selector:
    """Judges and rules of one order."""

    order: SynthesisOrder
    taxonomy: Taxonomy
    card: GeneratorCard
    reference: ReferenceJudge | None
    prototype: PrototypeDistance | None
    limits: FilterLimits

    def select(self, scene: InpaintedScene, seen: DuplicateIndex) -> tuple[list[KeptImage], list[RefusedRow]]:
        """Twins of a scene that may be kept, and the hazards that may not; `seen` learns the kept ones."""
        kept: list[KeptImage] = []
        refused: list[RefusedRow] = []
        for twin in (0, 1):
            if scene.plan.hazards_of(twin):
                picture, rows = self._twin(scene, twin, seen)
                refused += rows
                kept += [] if picture is None else [picture]
        return kept, refused

    def _twin(
        self, scene: InpaintedScene, twin: int, seen: DuplicateIndex
    ) -> tuple[KeptImage | None, list[RefusedRow]]:
        name = f"{self.order.order}-{scene.plan.index:06d}{'ab'[twin]}"
        wanted = scene.plan.hazards_of(twin)
        tight = {k: box for k in wanted if (box := scene.places[k].tight) is not None}
        image = self._compose(scene, twin, list(tight))
        found = self._judge(image, scene, twin, tight, seen)
        verdicts = {k: self._refuse(found[k]) if k in found else Refusal.NO_DIFFERENCE for k in wanted}
        accepted = [k for k in wanted if verdicts[k] is None]
        refused = [
            _refused_row(f"{name}/{k}", scene.places[k], verdict, found.get(k))
            for k, verdict in verdicts.items()
            if verdict is not None
        ]
        if not accepted:
            return None, refused
        if accepted != list(tight):
            image = self._compose(scene, twin, accepted)
        hazards = tuple(self._hazard_row(image, scene.places[k], tight[k], found[k]) for k in accepted)
        row = self._image_row(name, scene, image, accepted, hazards)
        add_kept_hazards([row], seen)
        return KeptImage(row, image), refused

    def _compose(self, scene: InpaintedScene, twin: int, with_hazard: Sequence[int]) -> Image:
        """The twin as its camera delivers it; always the same noise."""
        rng = np.random.default_rng([self.order.seed, scene.plan.index, twin, 5])
        return apply_camera(self._before_camera(scene, with_hazard, rng), scene.background, rng)

    def _before_camera(
        self, scene: InpaintedScene, with_hazard: Sequence[int], rng: np.random.Generator
    ) -> Image:
        """Hazards pasted at `with_hazard`, their empty counterparts elsewhere, and the controls."""
        pastings = [p.pasting(with_hazard=k in with_hazard) for k, p in enumerate(scene.places)]
        return paste(scene.background, [*pastings, *scene.controls], rng)

    def _judge(
        self, image: Image, scene: InpaintedScene, twin: int, tight: dict[int, Box], seen: DuplicateIndex
    ) -> dict[int, Findings]:
        """What the judges find at the tight boxes of one twin.

        The reference looks before the camera adds its noise: it is asked what was painted, and a picture
        that is hard to see is exactly what the order wants.
        """
        boxes = list(tight.values())
        confirmed: Sequence[Confirmation | None] = [None] * len(boxes)
        near: Sequence[float | None] = [None] * len(boxes)
        far: Sequence[float | None] = [None] * len(boxes)
        if self.reference is not None:
            calm = self._before_camera(scene, list(tight), np.random.default_rng(scene.plan.index))
            confirmed = self.reference.confirm(calm, boxes)
        if self.prototype is not None and boxes:
            near = [float(v) for v in self.prototype.distances(image, boxes)]
            far = [float(v) for v in self.prototype.distances(self._compose(scene, twin, []), boxes)]
        found = {}
        for k, opinion, distance, without in zip(tight, confirmed, near, far, strict=True):
            painted, box = scene.places[k], tight[k]
            found[k] = Findings(
                strength=0.0 if painted.label is None else painted.label.strength,
                plan_iou=_iou(box, painted.place.box),
                shorter_px=min(box[2] - box[0], box[3] - box[1]),
                confirmation=opinion,
                prototype_distance=distance,
                empty_distance=without,
                unsafe=_blacked_out(painted),
                duplicate_of=seen.find(fingerprint(image, box)),
            )
        return found

    def _refuse(self, found: Findings) -> Refusal | None:
        amorphous = self.taxonomy.classes[self.taxonomy.index(self.order.class_name)].amorphous
        return refusal(found, self.limits, amorphous=amorphous)

    def _hazard_row(
        self, image: Image, painted: InpaintedPlace, tight: Box, found: Findings
    ) -> LabelledHazard:
        made = painted.hazard.provenance
        return LabelledHazard(
            class_name=self.order.class_name,
            planned=_rounded(painted.place.box),
            tight=_rounded(tight),
            prompt=made.prompt,
            seed=made.seed,
            steps=made.steps,
            guidance=made.guidance,
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


def add_kept_hazards(rows: Sequence[ImageRow], seen: DuplicateIndex) -> None:
    """Teach `seen` the hazards of pictures kept in an earlier run."""
    for row in rows:
        for k, hazard in enumerate(row.hazards):
            seen.add(f"{row.name}/{k}", _bits(hazard.fingerprint))


def _refused_row(name: str, painted: InpaintedPlace, reason: Refusal, found: Findings | None) -> RefusedRow:
    made = painted.hazard.provenance
    scores = None if found is None else _scores(found)
    planned = _rounded(painted.place.box)
    return RefusedRow(
        name=name, reason=reason, planned=planned, prompt=made.prompt, seed=made.seed, scores=scores
    )


def _scores(found: Findings) -> Scores:
    seen = found.confirmation
    return Scores(
        strength=round(found.strength, 2),
        plan_iou=round(found.plan_iou, 3),
        reference_score=None if seen is None else round(seen.score, 3),
        reference_iou=None if seen is None else round(seen.iou, 3),
        rival=None if seen is None else seen.rival,
        rival_score=None if seen is None else round(seen.rival_score, 3),
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


def _blacked_out(painted: InpaintedPlace) -> bool:
    """Safety checkers of diffusers pipelines answer a flagged painting with an all-black image."""
    return int(painted.hazard.image.max()) == 0
