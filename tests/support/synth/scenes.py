"""Planned and inpainted scenes for tests, with the fake generator."""

from synth.generation.generator import Generator
from synth.generation.inpainting import InpaintedScene, Inpainter
from synth.generation.prototype_distance import PrototypeDistance
from synth.order import PrototypeToMatch, SynthesisOrder
from synth.planning.backgrounds import Background, DrawnBackgrounds
from synth.planning.layout import ScenePlan, plan_scene
from synth.planning.vocabulary import read_vocabulary
from tests.support.synth.fakes import COLOURS, EMBEDDING, FakeDetector


def planned(order: SynthesisOrder, index: int = 0) -> tuple[ScenePlan, Background]:
    """A drawn background of the order's size with its plan."""
    background = DrawnBackgrounds().get(
        order.seed, index, condition=order.condition, width=order.image_width, height=order.image_height
    )
    plan = plan_scene(
        order, index, width=order.image_width, height=order.image_height, ground=background.ground
    )
    return plan, background


def prototype(class_name: str) -> PrototypeToMatch:
    """The fake detector's embedding of a box in the class's colour."""
    vector = tuple(float(value) - 90 for value in COLOURS[class_name])
    return PrototypeToMatch(vector=vector, embedding_digest=EMBEDDING)


def inpainter(order: SynthesisOrder, generator: Generator, *, stopped: bool = False) -> Inpainter:
    """An inpainter of the order; with `stopped` it stops before its first batch."""
    distance = None if order.prototype is None else PrototypeDistance(FakeDetector(), order.prototype)
    return Inpainter(order, generator, read_vocabulary(), distance, lambda: stopped)


def inpainted(order: SynthesisOrder, generator: Generator, count: int = 1) -> list[InpaintedScene]:
    """The first scenes of an order, inpainted."""
    return inpainter(order, generator).inpaint([planned(order, index) for index in range(count)])
