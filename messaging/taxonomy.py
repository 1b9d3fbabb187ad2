"""The vocabulary of all packages: hazard classes and condition tags.

Classes are a deployment's choice (`Taxonomy`); condition tags are a fixed public vocabulary, because
failure modes of different sites must be comparable. Independent of images and of the wire format.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from messaging.errors import ConfigurationError

UNKNOWN_CLASS = "unknown"


class Light(StrEnum):
    """Daylight in the frame."""

    DAY = "day"
    DUSK = "dusk"
    NIGHT = "night"
    UNKNOWN = "unknown"


class Weather(StrEnum):
    """Weather in the frame."""

    CLEAR = "clear"
    RAIN = "rain"
    FOG = "fog"
    SNOW = "snow"
    UNKNOWN = "unknown"


class Sharpness(StrEnum):
    """Whether the frame is free of blur."""

    SHARP = "sharp"
    BLURRED = "blurred"
    UNKNOWN = "unknown"


class SizeBin(StrEnum):
    """Longer side of a box as a fraction of the longer side of the frame: <4 %, <10 %, <25 %, above."""

    TINY = "tiny"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    UNKNOWN = "unknown"


class RegionBin(StrEnum):
    """Position of the centre of a box: thirds of the frame's height by thirds of its width."""

    TOP_LEFT = "top_left"
    TOP = "top"
    TOP_RIGHT = "top_right"
    LEFT = "left"
    MIDDLE = "middle"
    RIGHT = "right"
    BOTTOM_LEFT = "bottom_left"
    BOTTOM = "bottom"
    BOTTOM_RIGHT = "bottom_right"
    UNKNOWN = "unknown"


class Occlusion(StrEnum):
    """How much of the object is hidden."""

    NONE = "none"
    PARTIAL = "partial"
    HEAVY = "heavy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, order=True)
class Condition:
    """The condition of a whole frame; with a class and a kind it names a failure mode."""

    light: Light = Light.UNKNOWN
    weather: Weather = Weather.UNKNOWN

    @property
    def key(self) -> str:
        """`night-rain`: how the condition is written in subjects, tables and file names."""
        return f"{self.light}-{self.weather}"

    @classmethod
    def parse(cls, key: str) -> "Condition":
        """Read `night-rain` back. Raises `ConfigurationError` for a tag outside the vocabulary."""
        light, _, weather = key.partition("-")
        try:
            return cls(Light(light), Weather(weather))
        except ValueError:
            raise ConfigurationError(
                f"condition {key!r} is not LIGHT-WEATHER; light is one of {', '.join(Light)} "
                f"and weather one of {', '.join(Weather)}"
            ) from None


@dataclass(frozen=True)
class HazardClass:
    """One kind of hazard. `severity` is 1 (nuisance) to 5 (danger to life)."""

    name: str
    severity: int
    amorphous: bool = False


@dataclass(frozen=True)
class Taxonomy:
    """The hazard classes of one deployment, in the order of the detector's outputs."""

    classes: tuple[HazardClass, ...]

    def __post_init__(self) -> None:
        names = self.names
        if not names or len(set(names)) != len(names) or UNKNOWN_CLASS in names:
            raise ConfigurationError(
                f"hazard classes must be distinct, at least one, and not {UNKNOWN_CLASS!r}; got {names}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in output order."""
        return tuple(c.name for c in self.classes)

    @property
    def digest(self) -> str:
        """sha256 hex of names and order: with the same digest, two detectors use the same class indices."""
        return hashlib.sha256(json.dumps(self.names).encode()).hexdigest()

    def index(self, name: str) -> int:
        """Output index of a class. Raises `ConfigurationError` for a name that is not in the taxonomy."""
        try:
            return self.names.index(name)
        except ValueError:
            raise ConfigurationError(
                f"hazard class {name!r} is unknown; this taxonomy has {', '.join(self.names)}"
            ) from None

    def severity(self, name: str) -> int:
        """Severity 1-5 of a class; an `unknown` class counts as 3."""
        return 3 if name == UNKNOWN_CLASS else self.classes[self.index(name)].severity


DEFAULT_CLASSES = (
    HazardClass("fire", 5, amorphous=True),
    HazardClass("smoke", 4, amorphous=True),
    HazardClass("flood", 4, amorphous=True),
    HazardClass("pothole", 2),
    HazardClass("garbage", 1),
    HazardClass("fallen_person", 5),
    HazardClass("stopped_vehicle", 3),
)
DEFAULT_TAXONOMY = Taxonomy(DEFAULT_CLASSES)


def taxonomy_of(names: Iterable[str]) -> Taxonomy:
    """A taxonomy with these class names in this order; names outside the default get severity 3."""
    known = {c.name: c for c in DEFAULT_CLASSES}
    return Taxonomy(tuple(known.get(n, HazardClass(n, 3)) for n in names))
