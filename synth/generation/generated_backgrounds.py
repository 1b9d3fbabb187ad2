"""Hazard-free streets generated from words, for a deployment without any images of its streets.

They look like what the generator learned, not like the deployment's streets, and nobody has confirmed that
they are free of hazards; their name in provenance begins with `generated:`. Images are BGR uint8 (h, w, 3).
"""

from pathlib import Path

import numpy as np

from messaging.taxonomy import Condition
from synth.errors import OrderRefused
from synth.generation.generator import Generator
from synth.generation.options import Streets
from synth.planning.backgrounds import Background, Backgrounds, DrawnBackgrounds, FolderBackgrounds
from synth.planning.layout import Ground
from synth.planning.prompts import Medium
from synth.planning.vocabulary import Vocabulary
from synth.sensor import estimate


class GeneratedBackgrounds:
    """Streets by a generator that reads free text."""

    def __init__(self, generator: Generator, vocabulary: Vocabulary) -> None:
        self._generator, self._vocabulary = generator, vocabulary

    @property
    def identity(self) -> str:
        """Names the generator and the words."""
        return f"generated:{self._generator.card.digest[:16]}:{self._vocabulary.digest[:8]}"

    def get(self, seed: int, index: int, *, condition: Condition, width: int, height: int) -> Background:
        """Another street for every seed and index; where roads are in it is not known."""
        rng = np.random.default_rng([seed, index, 6])
        prompt = self._vocabulary.prompt(None, condition, rng=rng)
        street = int(rng.integers(2**31 - 1))
        image = self._generator.generate(prompt, seed=street, width=width, height=height)
        return Background(
            image=image,
            identity=f"{self.identity}:{street}",
            sensor=estimate(image),
            from_camera=False,
            ground=Ground(),
            medium=Medium.PHOTOGRAPH,
        )


def open_backgrounds(
    folder: Path | None, streets: Streets, generator: Generator, vocabulary: Vocabulary
) -> Backgrounds:
    """Photographs of a folder; without one, streets: generated ones by a generator that can, else drawn ones.

    Raises `BackgroundsMissing`, and `OrderRefused` for generated streets by a generator that cannot.
    """
    if folder is not None:
        return FolderBackgrounds(folder)
    if streets == "generated" and generator.closed_vocabulary:
        raise OrderRefused(
            f"generator {generator.card.name} knows hazards only and cannot generate streets; set streets to "
            "drawn, or give images of your streets"
        )
    if streets == "drawn" or generator.closed_vocabulary:
        return DrawnBackgrounds()
    return GeneratedBackgrounds(generator, vocabulary)
