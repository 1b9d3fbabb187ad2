"""Synthesis orders: what labelled images the cloud needs for one failure mode.

An order is a value: equal orders give equal prompts, layouts and images. It holds tags, box geometry and at
most one prototype, never an image.
"""

import difflib
import hashlib
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from edge.vision.prototypes import USABLE_COSINE
from messaging.errors import ConfigurationError, FileFault
from messaging.fields import Digest, Slug
from messaging.hazard_classes import HazardClass
from messaging.releases import MAX_EMBEDDING
from messaging.runtime.text_files import decode_json, read_text
from messaging.taxonomy import DEFAULT_TAXONOMY, Condition, Light, RegionBin, SizeBin, Taxonomy, Weather
from synth.errors import OrderRefused

Sampler = Literal["ddim", "pndm", "euler", "euler_ancestral", "dpmpp_2m", "unipc", "lcm"]


class WeightedGeometry(BaseModel):
    """One bin of the box geometry: a size, a region and a weight. Weights need not sum to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: SizeBin
    region: RegionBin
    weight: float = Field(gt=0.0, le=1e6, allow_inf_nan=False)


class PrototypeToMatch(BaseModel):
    """A prototype and the digest of the embedding space it is in.

    `cosine`: the estimated cosine to the mean without noise; 1 for a prototype without noise. A noisier one
    than `USABLE_COSINE` has no place in an order, since it conditions, refuses and chooses images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vector: tuple[FiniteFloat, ...] = Field(min_length=2, max_length=MAX_EMBEDDING)
    embedding_digest: Digest
    cosine: float = Field(default=1.0, ge=USABLE_COSINE, le=1.0)


class Sampling(BaseModel):
    """How a generator samples; None keeps the model's own value.

    Attributes:
        sampler: the scheduler (`ddim`, `dpmpp_2m`, ...); the model's own one keeps its configuration.
        steps: denoising steps.
        guidance: scale of classifier-free guidance; 1 is none.
        negative_prompt: what hazards should not look like; needs guidance above 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sampler: Sampler | None = None
    steps: int | None = Field(default=None, ge=1, le=1000)
    guidance: float | None = Field(default=None, ge=1.0, le=50.0)
    negative_prompt: str = Field(default="", max_length=500)

    @model_validator(mode="after")
    def _negative_prompt_has_an_effect(self) -> Self:
        if self.negative_prompt and self.guidance == 1.0:
            raise ValueError(
                "negative_prompt has no effect with guidance 1; raise guidance or remove negative_prompt"
            )
        return self


OWN_SAMPLING = Sampling()


class SynthesisOrder(BaseModel):
    """Generate `count` accepted images of `class_name` under one condition, of this size in pixels.

    `patch_budget` limits how many patches the generator may inpaint in all, refused ones included; a run
    that reaches it keeps the images it has. Of every hazard `best_of` variants are generated and the one
    nearest to the prototype is used. `classes` are those of the deployment, in the order of the labels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: Slug
    class_name: Slug
    light: Light
    weather: Weather
    geometry: tuple[WeightedGeometry, ...] = Field(min_length=1, max_length=64)
    count: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0, le=2**31 - 1)
    patch_budget: int = Field(ge=1, le=100_000_000)
    best_of: int = Field(ge=1, le=16)
    prototype: PrototypeToMatch | None = None
    sampling: Sampling = OWN_SAMPLING
    image_width: int = Field(ge=64, le=4096)
    image_height: int = Field(ge=64, le=4096)
    classes: tuple[HazardClass, ...] = DEFAULT_TAXONOMY.classes

    @model_validator(mode="after")
    def _can_be_carried_out(self) -> Self:
        try:
            self.taxonomy.index(self.class_name)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        if self.patch_budget < self.count:
            raise ValueError(
                f"patch_budget {self.patch_budget} cannot give {self.count} images; "
                "raise the budget or lower the count"
            )
        return self

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The classes whose indices the labels have."""
        return Taxonomy(self.classes)

    @property
    def hazard(self) -> HazardClass:
        """The class to generate."""
        return self.taxonomy.hazard(self.class_name)

    @property
    def condition(self) -> Condition:
        """Light and weather."""
        return Condition(self.light, self.weather)

    @property
    def digest(self) -> str:
        """sha256 hex of the canonical JSON."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def read_order(path: Path) -> SynthesisOrder:
    """The order in a JSON file. Raises `OrderRefused` naming the wrong field."""
    try:
        text = read_text(path)
        decode_json(text, origin=str(path))  # refuses a key that is there twice
        return SynthesisOrder.model_validate_json(text)
    except FileFault as fault:
        raise OrderRefused(f"synthesis order {fault}") from None
    except ValidationError as error:
        raise OrderRefused(f"synthesis order {path}: {_fault(error)}") from None


def _fault(error: ValidationError) -> str:
    """The first fault in one line; a key that is unknown before one that is absent."""
    faults = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in faults[0]["loc"])
    reason = str(faults[0]["msg"]).replace("\n", " ")
    if faults[0]["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where, SynthesisOrder.model_fields, n=1)
        reason = f"unknown key; {f'did you mean {near[0]!r}?' if near else 'remove it'}"
    return f"{f'{where}: ' if where else ''}{reason} ({len(faults)} faults in all)"
