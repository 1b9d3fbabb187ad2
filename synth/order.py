"""What the cloud asks of synth: one order is one failure mode's worth of labelled images.

An order is a value: the same order gives the same prompts, layouts and images. It holds tags, geometry
and at most one prototype, never an image.
"""

import hashlib
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from messaging.releases import MAX_EMBEDDING, Digest, Slug
from messaging.taxonomy import Condition, Light, RegionBin, SizeBin, Weather


class WeightedGeometry(BaseModel):
    """How often boxes of one size stand in one region; weights need not sum to one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: SizeBin
    region: RegionBin
    weight: float = Field(gt=0.0)


class PrototypeToMatch(BaseModel):
    """A class-by-condition prototype and the embedding that it was made with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vector: tuple[float, ...] = Field(min_length=2, max_length=MAX_EMBEDDING)
    embedding_digest: Digest


class SynthesisOrder(BaseModel):
    """Paint `count` accepted images of `class_name` under a condition.

    `patch_budget` bounds how many patches the generator may paint in all (best-of-n and refusals
    included): the order stops there and keeps what it has.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: Slug
    class_name: Slug
    light: Light
    weather: Weather
    geometry: tuple[WeightedGeometry, ...] = Field(min_length=1, max_length=64)
    count: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0, le=2**31 - 1)
    patch_budget: int = Field(ge=1)
    best_of: int = Field(default=1, ge=1, le=16)
    prototype: PrototypeToMatch | None = None
    image_width: Annotated[int, Field(ge=64, le=4096)] = 640
    image_height: Annotated[int, Field(ge=64, le=4096)] = 360

    @model_validator(mode="after")
    def _budget_covers_count(self) -> Self:
        if self.patch_budget < self.count:
            raise ValueError(
                f"patch_budget {self.patch_budget} cannot give {self.count} images; "
                "raise the budget or lower the count"
            )
        return self

    @property
    def condition(self) -> Condition:
        """The condition asked for."""
        return Condition(self.light, self.weather)

    @property
    def digest(self) -> str:
        """sha256 hex of the canonical JSON."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
