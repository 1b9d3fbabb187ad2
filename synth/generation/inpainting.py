"""Inpaint the places of several scenes together: hazard, empty counterpart, label, controls.

Every place is inpainted with the hazard (the best of n by distance to the prototype), then empty from the
same seed; the label comes from the difference. When the generator adds something to an empty patch, the
background through its encoder and decoder is the counterpart. Requests of several scenes are batched
together. Nothing here accepts or refuses.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.vision.detections import Floats
from messaging.taxonomy import SizeBin
from synth.errors import SynthesisStopped
from synth.generation.compositing import Pasting, apply_camera, cut, paste
from synth.generation.difference import DIFFERENCE_RULES, DifferenceLabel, feathered, is_empty, read_label
from synth.generation.generator import Generator, InpaintedPatch, PatchRequest
from synth.generation.prototype_distance import PrototypeDistance
from synth.order import SynthesisOrder
from synth.planning.backgrounds import Background
from synth.planning.layout import Place, ScenePlan
from synth.planning.patches import Box, Image
from synth.planning.prompts import prompt_for
from synth.planning.vocabulary import Vocabulary

_SEEDS = 2**31


@dataclass(frozen=True, eq=False)
class InpaintedPlace:
    """One place inpainted twice. `label` is None when the two patches do not differ."""

    place: Place
    hazard: InpaintedPatch
    empty: InpaintedPatch
    label: DifferenceLabel | None

    @property
    def tight(self) -> Box | None:
        """The tight box in image pixels; None without a label."""
        if self.label is None:
            return None
        return self.place.window.to_image(self.label.xyxy, len(self.hazard.image))

    def pasting(self, *, with_hazard: bool) -> Pasting:
        """What to paste: the hazard or its empty counterpart, with the same cover."""
        chosen = self.hazard if with_hazard else self.empty
        return Pasting(self.place.window, chosen.image, self._cover(len(chosen.image)))

    def _cover(self, patch_px: int) -> Floats:
        if self.label is not None:
            return self.label.cover
        mask = self.place.mask(patch_px)
        return feathered(mask, mask)


@dataclass(frozen=True, eq=False)
class InpaintedScene:
    """All patches of one scene; `controls` only passed the generator's encoder and decoder."""

    plan: ScenePlan
    background: Background
    places: tuple[InpaintedPlace, ...]
    controls: tuple[Pasting, ...]


@dataclass(frozen=True, eq=False)
class Inpainter:
    """Inpaints the scenes of one order. `vocabulary` is for generators that read free text.

    `should_stop` is called before every batch; when it returns True, `SynthesisStopped` is raised.
    """

    order: SynthesisOrder
    generator: Generator
    vocabulary: Vocabulary
    prototype: PrototypeDistance | None
    should_stop: Callable[[], bool]

    @property
    def variants_per_place(self) -> int:
        """Hazard patches per place; more than one only with a prototype, which decides between them."""
        return self.order.best_of if self.prototype is not None else 1

    def cost(self, plan: ScenePlan) -> int:
        """How many patches the generator inpaints for a scene."""
        return len(plan.places) * (self.variants_per_place + 1)

    def inpaint(self, scenes: Sequence[tuple[ScenePlan, Background]]) -> list[InpaintedScene]:
        """Inpaint every place of the scenes. Raises `SynthesisStopped`."""
        spots = [(plan, background, place) for plan, background in scenes for place in plan.places]
        wanted = [
            self._request(background, place, variant)
            for variant in range(self.variants_per_place)
            for _, background, place in spots
        ]
        patches = list(self._batches(wanted))
        variants = [patches[k :: len(spots)] for k in range(len(spots))]
        reconstructed = self._reconstructed([(background, place) for _, background, place in spots])
        best = self._best_variants(scenes, variants, reconstructed)
        hazards = [options[variant] for options, variant in zip(variants, best, strict=True)]
        empties = list(
            self._batches(
                [
                    self._request(b, p, variant, empty=True)
                    for (_, b, p), variant in zip(spots, best, strict=True)
                ]
            )
        )
        done = iter(
            self._labelled(place, hazard, self._counterpart(place, empty, reconstruction))
            for (_, _, place), hazard, empty, reconstruction in zip(
                spots, hazards, empties, reconstructed, strict=True
            )
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
        """Hazard-free patches to paste into each scene: its places inpainted empty, and its controls.

        Raises `SynthesisStopped`.
        """
        spots = [(background, place) for plan, background in scenes for place in plan.places]
        empties = list(self._batches([self._request(b, p, 0, empty=True) for b, p in spots]))
        reconstructed = self._reconstructed(spots)
        masks = [place.mask(self.generator.patch_px) for _, place in spots]
        done = iter(
            Pasting(
                place.window, self._counterpart(place, empty, reconstruction).image, feathered(mask, mask)
            )
            for (_, place), empty, reconstruction, mask in zip(
                spots, empties, reconstructed, masks, strict=True
            )
        )
        controls = self._controls(scenes)
        return [
            (*(next(done) for _ in plan.places), *(next(controls) for _ in plan.controls))
            for plan, _ in scenes
        ]

    def _request(
        self, background: Background, place: Place, variant: int, *, empty: bool = False
    ) -> PatchRequest:
        rng = np.random.default_rng([place.seed, 1 if empty else 0])
        height, width = background.image.shape[:2]
        return PatchRequest(
            prompt=self._prompt(background, place.size(width, height), rng, empty=empty),
            patch=cut(background, place.window, self.generator.patch_px),
            mask=place.mask(self.generator.patch_px),
            seed=place.seed + variant * _SEEDS,
            prototype=None if empty else self._prototype_vector(),
            guided=not empty,
        )

    def _prompt(self, background: Background, size: SizeBin, rng: np.random.Generator, *, empty: bool) -> str:
        condition = self.order.condition
        hazard = None if empty else self.order.hazard
        if self.generator.closed_vocabulary:
            return prompt_for(hazard, condition, rng=rng, size=size, medium=background.medium)
        return self.vocabulary.prompt(hazard, condition, rng=rng, size=size)

    def _prototype_vector(self) -> Floats | None:
        """The prototype (64,) for the generator; None when it was trained with those of another space."""
        wanted = self.order.prototype
        if wanted is None or wanted.embedding_digest != self.generator.prototype_space:
            return None
        return np.asarray(wanted.vector, np.float32)

    def _batches(self, requests: Sequence[PatchRequest]) -> Iterator[InpaintedPatch]:
        start = 0
        while start < len(requests):
            if self.should_stop():
                raise SynthesisStopped(
                    f"order {self.order.order} was stopped; run it again with the same folder to continue"
                )
            some = requests[start : start + self.generator.batch]
            yield from self.generator.inpaint(some)
            start += len(some)

    def _best_variants(
        self,
        scenes: Sequence[tuple[ScenePlan, Background]],
        variants: Sequence[Sequence[InpaintedPatch]],
        reconstructed: Sequence[Image],
    ) -> list[int]:
        """Index of the variant nearest to the prototype, for every place, measured in its scene.

        The box of a variant comes from the difference to the reconstructed background; only the chosen
        variant gets an empty counterpart of its own.
        """
        if self.prototype is None or self.variants_per_place == 1:
            return [0] * len(variants)
        best: list[int] = []
        for plan, background in scenes:
            spots = range(len(best), len(best) + len(plan.places))
            distances = [
                self._distances(
                    background,
                    [
                        self._labelled(
                            place, variants[k][variant], replace(variants[k][variant], image=reconstructed[k])
                        )
                        for k, place in zip(spots, plan.places, strict=True)
                    ],
                    self.prototype,
                )
                for variant in range(self.variants_per_place)
            ]
            best += [int(variant) for variant in np.stack(distances).argmin(axis=0)]
        return best

    def _distances(
        self, background: Background, places: Sequence[InpaintedPlace], judge: PrototypeDistance
    ) -> Floats:
        """Distances (n,) of one variant of every place to the prototype, camera noise included."""
        rng = np.random.default_rng(places[0].place.seed)
        image = apply_camera(
            paste(background, [p.pasting(with_hazard=True) for p in places], rng), background, rng
        )
        return judge.distances(image, [p.tight or p.place.box for p in places])

    def _counterpart(self, place: Place, empty: InpaintedPatch, reconstruction: Image) -> InpaintedPatch:
        """The empty patch, or the reconstructed background when the generator added something to it."""
        mask = place.mask(len(reconstruction))
        return empty if is_empty(empty.image, reconstruction, mask) else replace(empty, image=reconstruction)

    def _labelled(self, place: Place, hazard: InpaintedPatch, empty: InpaintedPatch) -> InpaintedPlace:
        rule = DIFFERENCE_RULES[self.order.hazard.label]
        label = read_label(hazard.image, empty.image, place.mask(len(hazard.image)), rule=rule)
        return InpaintedPlace(place, hazard, empty, label)

    def _controls(self, scenes: Sequence[tuple[ScenePlan, Background]]) -> Iterator[Pasting]:
        spots = [(background, place) for plan, background in scenes for place in plan.controls]
        for (_, place), image in zip(spots, self._reconstructed(spots), strict=True):
            mask = place.mask(len(image))
            yield Pasting(place.window, image, feathered(mask, mask))

    def _reconstructed(self, spots: Sequence[tuple[Background, Place]]) -> list[Image]:
        """The patches of these places through the generator's encoder and decoder, (p, p, 3) each."""
        patches = [cut(background, place.window, self.generator.patch_px) for background, place in spots]
        return self.generator.reconstruct(patches)
