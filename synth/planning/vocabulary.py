"""Prompts for generators that read free text: phrases of a YAML file that people may edit.

The phrases are chosen by a random generator that is an argument, so that equal arguments give equal prompts.
A tag that is `unknown` adds nothing. For the bundled generator see `synth.planning.prompts`.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from messaging.fields import Slug
from messaging.hazard_classes import HazardClass
from messaging.runtime.configuration_files import load_settings
from messaging.taxonomy import Condition, Light, SizeBin, Weather

SHIPPED_VOCABULARY = Path(__file__).with_name("vocabulary.yaml")
Phrases = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")], ...], Field(min_length=1)
]


class Vocabulary(BaseModel):
    """The phrases of prompts, by what they describe. `classes` replaces the words of hazard classes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    camera: Phrases
    viewpoint: Phrases
    light: dict[Light, Phrases]
    weather: dict[Weather, Phrases]
    size: dict[SizeBin, Phrases]
    empty: Phrases
    classes: dict[Slug, Phrases] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """sha256 hex of the content."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def words(self, hazard: HazardClass) -> tuple[str, ...]:
        """What prompts call a class: its own words here, otherwise those of the classes file."""
        return self.classes.get(hazard.name, hazard.words)

    def prompt(
        self,
        hazard: HazardClass | None,
        condition: Condition,
        *,
        rng: np.random.Generator,
        size: SizeBin = SizeBin.UNKNOWN,
    ) -> str:
        """The prompt for a hazard, or for an empty street (None), under a condition."""
        things = self.empty if hazard is None else self.words(hazard)
        parts = [
            f"{_one(self.camera, rng)} of {_one(things, rng)}",
            *(
                _one(phrases, rng)
                for phrases in (
                    self.light.get(condition.light),
                    self.weather.get(condition.weather),
                    self.size.get(size),
                    self.viewpoint,
                )
                if phrases is not None
            ),
        ]
        return ", ".join(parts)


def read_vocabulary(path: Path = SHIPPED_VOCABULARY) -> Vocabulary:
    """The vocabulary in a YAML file. Raises `ConfigurationError` that names the key and its line."""
    return load_settings(Vocabulary, path, environment={})


def _one(phrases: Sequence[str], rng: np.random.Generator) -> str:
    return phrases[int(rng.integers(len(phrases)))]
