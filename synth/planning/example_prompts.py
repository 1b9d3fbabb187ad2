"""Examples of the prompts of an order, made without a generator: the words that a campaign will use."""

import numpy as np

from synth.order import SynthesisOrder
from synth.planning.prompts import prompt_for
from synth.planning.vocabulary import Vocabulary

TRIES = 4


def example_prompts(order: SynthesisOrder, vocabulary: Vocabulary | None, count: int) -> tuple[str, ...]:
    """At most `count` different prompts for hazards of the order; equal orders have equal examples.

    Args:
        order: what is to be generated.
        vocabulary: phrases for a generator that reads free text; None for the bundled one.
        count: number of prompts; fewer where the phrases allow no more.

    Raises:
        OrderRefused: the bundled generator does not know the words of the class.
    """
    rng = np.random.default_rng(order.seed)
    sizes = [order.geometry[n % len(order.geometry)].size for n in range(TRIES * count)]
    if vocabulary is None:
        prompts = [prompt_for(order.hazard, order.condition, rng=rng, size=size) for size in sizes]
    else:
        prompts = [vocabulary.prompt(order.hazard, order.condition, rng=rng, size=size) for size in sizes]
    return tuple(dict.fromkeys(prompts))[:count]
