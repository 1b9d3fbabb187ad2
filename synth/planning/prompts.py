"""Prompts: a class and a condition become one deterministic English phrase.

A hazard is called what its class says. The vocabulary is closed (`VOCABULARY`), because the text encoder of
the bundled small Stable Diffusion was trained on it alone; a class with other words is refused. For models
that take any plain English see `synth.planning.vocabulary`. A tag that is `unknown` adds nothing to the
prompt. Nothing here reads an image.
"""

import re
from collections.abc import Iterable
from enum import StrEnum

import numpy as np

from messaging.hazard_classes import HazardClass
from messaging.taxonomy import DEFAULT_TAXONOMY, Condition, Light, SizeBin, Weather
from synth.errors import OrderRefused
from synth.street.values import DRAWN_CLASSES


class Medium(StrEnum):
    """The kind of image in the prompt: `photo` of a city camera, or a `photograph` taken by hand."""

    PHOTO = "photo"
    PHOTOGRAPH = "photograph"


EMPTY = ("an empty street", "an empty road")
_LIGHT = {Light.DAY: "by day", Light.DUSK: "at dusk", Light.NIGHT: "at night"}
_WEATHER = {
    Weather.CLEAR: "clear weather", Weather.RAIN: "rain", Weather.FOG: "fog", Weather.SNOW: "snow",
}  # fmt: skip
_SIZE = {
    SizeBin.TINY: "far away", SizeBin.SMALL: "at a distance",
    SizeBin.MEDIUM: "near", SizeBin.LARGE: "close up",
}  # fmt: skip
_VIEWPOINT = ("surveillance camera", "traffic camera", "security camera")


def prompt_for(
    hazard: HazardClass | None,
    condition: Condition,
    *,
    rng: np.random.Generator,
    size: SizeBin = SizeBin.UNKNOWN,
    medium: Medium = Medium.PHOTO,
) -> str:
    """The prompt for one patch; equal arguments and an equal state of `rng` give the same prompt.

    Args:
        hazard: its class, of which one phrase is in the prompt, or None for a street without hazards.
        condition: light and weather.
        rng: chooses among synonyms and viewpoints.
        size: of the planned box in its frame.
        medium: the kind of image that the prompt asks for.

    Raises:
        OrderRefused: the class has words outside the vocabulary.
    """
    things = EMPTY if hazard is None else hazard.words
    unknown = sorted(_words(things) - set(VOCABULARY))
    if hazard is not None and unknown:
        raise OrderRefused(
            f"the bundled generator was not trained on the words {', '.join(unknown)} of hazard class "
            f"{hazard.name}; use a Stable Diffusion inpainting model, or other words"
        )
    thing = things[int(rng.integers(len(things)))]
    viewpoint = _VIEWPOINT[int(rng.integers(len(_VIEWPOINT)))]
    street = "street" if condition.light is Light.UNKNOWN else f"street {_LIGHT[condition.light]}"
    parts = [f"a {medium} of {thing}", street]
    if condition.weather is not Weather.UNKNOWN:
        parts.append(_WEATHER[condition.weather])
    if size is not SizeBin.UNKNOWN:
        parts.append(_SIZE[size])
    if medium is Medium.PHOTO:
        parts.append(viewpoint)
    return ", ".join(parts)


def _words(phrases: Iterable[str]) -> set[str]:
    return {word for phrase in phrases for word in re.findall(r"[a-z]+", phrase)}


GENERATOR_PHRASES = frozenset(
    phrase for name in DRAWN_CLASSES for phrase in DEFAULT_TAXONOMY.hazard(name).words
)
"""What the bundled small Stable Diffusion has seen; of others its text encoder knows the words at most."""

VOCABULARY: tuple[str, ...] = tuple(
    sorted(
        _words(
            [phrase for hazard in DEFAULT_TAXONOMY.classes for phrase in hazard.words]
            + [*EMPTY, *_LIGHT.values(), *_WEATHER.values(), *_SIZE.values(), *_VIEWPOINT, *Medium]
            + ["a of street"]
        )
    )
)
