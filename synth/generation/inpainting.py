"""Painting the places of several scenes at once: hazard, empty counterpart, label, controls.

Every place is painted with the hazard (the best of n by distance to the prototype), then empty from the
same seed; the label is read off the difference. A weak generator paints things where it should paint an
empty street: then the background through its encoder and decoder is the counterpart. Requests of several
scenes share batches. Nothing here accepts or refuses.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.vision.detections import Floats
from messaging.taxonomy import Taxonomy
from synth.errors import SynthesisStopped
from synth.generation.compositing import Pasting, apply_camera, cut, paste
from synth.generation.difference import DifferenceLabel, feathered, is_empty, read_label, rule_for
from synth.generation.generator import PROTOTYPE_WIDTH, Generator, InpaintedPatch, PatchRequest
from synth.generation.prototype_distance import PrototypeDistance
from synth.order import SynthesisOrder
from synth.planning.backgrounds import Background
from synth.planning.layout import Place, ScenePlan
from synth.planning.patches import Box, Image
from synth.planning.prompts import prompt_for

BATCH = 16
_SEEDS = 2**31


@dataclass(frozen=True, eq=False)
class InpaintedPlace:
    """One place painted twice. `label` is None when the two paintings do not differ."""

    place: Place
    hazard: InpaintedPatch
    empty: InpaintedPatch
    label: DifferenceLabel | None

    @property
    def tight(self) -> Box | None:
        """The labelled box in picture pixels, None when nothing was painted."""
        if self.label is None:
            return None
        return self.place.window.to_image(self.label.xyxy, len(self.hazard.image))

    def pasting(self, *, with_hazard: bool) -> Pasting:
        """What to put back: the hazard or its empty counterpart, through the same cover."""
        chosen = self.hazard if with_hazard else self.empty
        return Pasting(self.place.window, chosen.image, self._cover(len(chosen.image)))

    def _cover(self, patch_px: int) -> Floats:
        if self.label is not None:
            return self.label.cover
        mask = self.place.mask(patch_px)
        return feathered(mask, mask)


@dataclass(frozen=True, eq=False)
class InpaintedScene:
    """All paintings of one scene; `controls` are patches through the generator's encoder and decoder."""

    plan: ScenePlan
    background: Background
    places: tuple[InpaintedPlace, ...]
    controls: tuple[Pasting, ...]


@dataclass(frozen=True, eq=False)
class Inpainter:
    """Paints the scenes of one order."""

    order: SynthesisOrder
    generator: Generator
    taxonomy: Taxonomy
    prototype: PrototypeDistance | None
    should_stop: Callable[[], bool]

    @property
    def tries(self) -> int:
        """Hazard paintings a place: more than one only when a prototype tells which is best."""
        return self.order.best_of if self.prototype is not None else 1

    def cost(self, plan: ScenePlan) -> int:
        """How many patches the generator paints for a scene."""
        return len(plan.places) * (self.tries + 1)

    def inpaint(self, scenes: Sequence[tuple[ScenePlan, Background]]) -> list[InpaintedScene]:
        """Paint every place of the scenes. Raises `SynthesisStopped` between batches when asked to stop."""
        spots = [(plan, background, place) for plan, background in scenes for place in plan.places]
        wanted = [
            self._request(background, place, take)
            for take in range(self.tries)
            for _, background, place in spots
        ]
        painted = list(self._batches(wanted))
        takes = [painted[k :: len(spots)] for k in range(len(spots))]
        rough = self._reconstructed([(background, place) for _, background, place in spots])
        best = self._best_takes(scenes, takes, rough)
        hazards = [options[take] for options, take in zip(takes, best, strict=True)]
        empties = list(
            self._batches(
                [self._request(b, p, take, empty=True) for (_, b, p), take in zip(spots, best, strict=True)]
            )
        )
        done = iter(
            self._painted(place, hazard, self._counterpart(place, empty, without))
            for (_, _, place), hazard, empty, without in zip(spots, hazards, empties, rough, strict=True)
        )
        controls = self._controls(scenes)
        return [
            InpaintedScene(
                plan,
                background,
                tuple(next(done) for _ in plan.places),
                tuple(next(controls) for _ in plan.controls),
            )
            for plan, background in scenes
        ]

    def inpaint_empty(self, scenes: Sequence[tuple[ScenePlan, Background]]) -> list[tuple[Pasting, ...]]:
        """What to paste into each scene for nothing to be seen: its places painted empty, and its controls.

        Raises `SynthesisStopped` between batches when asked to stop.
        """
        spots = [(background, place) for plan, background in scenes for place in plan.places]
        empties = list(self._batches([self._request(b, p, 0, empty=True) for b, p in spots]))
        rough = self._reconstructed(spots)
        masks = [place.mask(self.generator.patch_px) for _, place in spots]
        done = iter(
            Pasting(place.window, self._counterpart(place, empty, without).image, feathered(mask, mask))
            for (_, place), empty, without, mask in zip(spots, empties, rough, masks, strict=True)
        )
        controls = self._controls(scenes)
        return [
            (*(next(done) for _ in plan.places), *(next(controls) for _ in plan.controls))
            for plan, _ in scenes
        ]

    def _request(
        self, background: Background, place: Place, take: int, *, empty: bool = False
    ) -> PatchRequest:
        rng = np.random.default_rng([place.seed, 1 if empty else 0])
        height, width = background.image.shape[:2]
        prompt = prompt_for(
            None if empty else self.order.class_name,
            self.order.condition,
            rng=rng,
            size=place.size(width, height),
            medium=background.medium,
        )
        return PatchRequest(
            prompt=prompt,
            patch=cut(background, place.window, self.generator.patch_px),
            mask=place.mask(self.generator.patch_px),
            seed=place.seed + take * _SEEDS,
            prototype=None if empty else self._lean(),
            guided=not empty,
        )

    def _lean(self) -> Floats | None:
        """The prototype as the generator takes it; one of another width serves the choice of takes alone."""
        wanted = self.order.prototype
        if wanted is None or len(wanted.vector) != PROTOTYPE_WIDTH:
            return None
        return np.asarray(wanted.vector, np.float32)

    def _batches(self, requests: Sequence[PatchRequest]) -> Iterator[InpaintedPatch]:
        for start in range(0, len(requests), BATCH):
            if self.should_stop():
                raise SynthesisStopped(
                    f"order {self.order.order} was asked to stop; run it again with the same folder to go on"
                )
            yield from self.generator.inpaint(requests[start : start + BATCH])

    def _best_takes(
        self,
        scenes: Sequence[tuple[ScenePlan, Background]],
        takes: Sequence[Sequence[InpaintedPatch]],
        rough: Sequence[Image],
    ) -> list[int]:
        """Which take of every place lies nearest to the prototype, judged in its scene.

        Its box is read off the difference to the reconstructed background; only the chosen take gets an
        empty counterpart of its own.
        """
        if self.prototype is None or self.tries == 1:
            return [0] * len(takes)
        best: list[int] = []
        for plan, background in scenes:
            spots = range(len(best), len(best) + len(plan.places))
            distances = [
                self._distances(
                    background,
                    [
                        self._painted(place, takes[k][take], replace(takes[k][take], image=rough[k]))
                        for k, place in zip(spots, plan.places, strict=True)
                    ],
                    self.prototype,
                )
                for take in range(self.tries)
            ]
            best += [int(take) for take in np.stack(distances).argmin(axis=0)]
        return best

    def _distances(
        self, background: Background, places: Sequence[InpaintedPlace], judge: PrototypeDistance
    ) -> Floats:
        """Distances of one take of every place, as a camera would see them."""
        rng = np.random.default_rng(places[0].place.seed)
        picture = apply_camera(
            paste(background, [p.pasting(with_hazard=True) for p in places], rng), background, rng
        )
        return judge.distances(picture, [p.tight or p.place.box for p in places])

    def _counterpart(self, place: Place, empty: InpaintedPatch, without: Image) -> InpaintedPatch:
        """The empty painting, or the bare background in its stead when something was painted after all."""
        mask = place.mask(len(without))
        return empty if is_empty(empty.image, without, mask) else replace(empty, image=without)

    def _painted(self, place: Place, hazard: InpaintedPatch, empty: InpaintedPatch) -> InpaintedPlace:
        rule = rule_for(self.taxonomy.classes[self.taxonomy.index(self.order.class_name)])
        label = read_label(hazard.image, empty.image, place.mask(len(hazard.image)), rule=rule)
        return InpaintedPlace(place, hazard, empty, label)

    def _controls(self, scenes: Sequence[tuple[ScenePlan, Background]]) -> Iterator[Pasting]:
        spots = [(background, place) for plan, background in scenes for place in plan.controls]
        for (_, place), image in zip(spots, self._reconstructed(spots), strict=True):
            mask = place.mask(len(image))
            yield Pasting(place.window, image, feathered(mask, mask))

    def _reconstructed(self, spots: Sequence[tuple[Background, Place]]) -> list[Image]:
        """The patches of these spots through the generator's encoder and decoder."""
        patches = [cut(background, place.window, self.generator.patch_px) for background, place in spots]
        return [
            image
            for start in range(0, len(patches), BATCH)
            for image in self.generator.reconstruct(patches[start : start + BATCH])
        ]
