"""One hazard class of a deployment: what it is called, where it may be, how it is labelled and reported.

The same value is read from a classes file, sent with synthesis orders and stored in detector bundles.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from messaging.fields import Slug

UNKNOWN_CLASS = "unknown"
USUAL_SEVERITY = 3

Phrase = Annotated[
    str,
    Field(
        pattern=r"^\w[\w' -]{0,78}\w$",
        description="2 to 80 letters, digits, blanks, - and ', beginning and ending with a letter or digit",
    ),
]
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelRule(StrEnum):
    """How the difference between two images becomes a box, and how well two boxes must agree.

    A rigid hazard ends at its edge; an amorphous one fades out, so its box is uncertain; a luminous one is
    amorphous and lights up its surroundings.
    """

    RIGID = "rigid"
    AMORPHOUS = "amorphous"
    LUMINOUS = "luminous"


class HazardPlace(StrEnum):
    """Where a hazard of a class may be in an image.

    `road` and `ground` (road and pavement): its foot. `wall`: on what stands beside or above the ground.
    `vehicle`: it is a vehicle or on one, so that its foot is on the road. `anywhere`: mostly on the ground,
    but also in front of everything else.
    """

    GROUND = "ground"
    ROAD = "road"
    WALL = "wall"
    VEHICLE = "vehicle"
    ANYWHERE = "anywhere"


class TypicalBox(_Part):
    """Shape of the boxes of a class.

    `aspect`: lowest and highest width over height. `near_fraction`: longer side of the box over the longer
    side of the image, for a hazard at the lower edge of the image.
    """

    aspect: tuple[PositiveFloat, PositiveFloat] = (0.7, 1.6)
    near_fraction: float = Field(default=0.20, ge=0.02, le=0.6)

    @model_validator(mode="after")
    def _from_low_to_high(self) -> Self:
        if not 0.1 <= self.aspect[0] <= self.aspect[1] <= 10:
            raise ValueError(f"aspect is lowest and highest width over height, 0.1 to 10; got {self.aspect}")
        return self


class HazardRule(_Part):
    """When a track of a class is a hazard.

    Attributes:
        persistence_s: seconds between first and last detection before it opens.
        hits: detections above the threshold before it opens.
        gone_s: seconds without a detection before it closes.
        cool_down_s: a track at the place of an event closed less than this ago opens nothing; one that
            is still there afterwards opens another event.
        update_s: shortest time between two reports of an open event that did not get worse.
        growth: a box this many times its first area raises the severity by one.
        zones: names of the cameras' zones in which it counts; empty means every zone, and the whole image of
            a camera without zones.
    """

    persistence_s: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    hits: int = Field(default=3, ge=1)
    gone_s: PositiveFloat = 5.0
    cool_down_s: float = Field(default=60.0, ge=0.0, allow_inf_nan=False)
    update_s: float = Field(default=300.0, ge=0.0, allow_inf_nan=False)
    growth: float = Field(default=2.5, gt=1.0, allow_inf_nan=False)
    zones: tuple[Slug, ...] = ()


class HazardClass(_Part):
    """One kind of hazard. `severity` is 1 (nuisance) to 5 (danger to life); `words` are for prompts."""

    name: Slug
    severity: int = Field(ge=1, le=5)
    words: tuple[Phrase, ...] = ()
    label: LabelRule = LabelRule.RIGID
    place: HazardPlace = HazardPlace.GROUND
    box: TypicalBox = TypicalBox()
    rule: HazardRule = HazardRule()

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.name == UNKNOWN_CLASS:
            raise ValueError(f"{UNKNOWN_CLASS!r} names detections without a class; choose another name")
        if not self.words:
            raise ValueError(
                f"class {self.name!r} has no words for prompts; add what a caption would call it, for "
                "example `words: [a fallen tree]`"
            )
        if len(set(self.words)) != len(self.words):
            raise ValueError(f"class {self.name!r} has the same words twice: {', '.join(self.words)}")
        return self

    @classmethod
    def undescribed(cls, name: str) -> "HazardClass":
        """A class of which only the name is known, as in bundles without descriptions."""
        phrase = name.replace("_", " ").strip(" -")
        words = phrase if len(phrase) > 1 else f"class {phrase}"
        return cls(name=name, severity=USUAL_SEVERITY, words=(words,))

    @property
    def amorphous(self) -> bool:
        """Whether its edge is uncertain, so that boxes of it agree from a lower IoU on."""
        return self.label is not LabelRule.RIGID
