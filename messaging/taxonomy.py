"""The vocabulary of all packages: hazard classes and condition tags.

Classes are a deployment's choice (`Taxonomy`, read from a YAML file); condition tags are a fixed public
vocabulary, because failure modes of different sites must be comparable. Independent of images and of the wire
format.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, field_validator

from messaging.errors import ConfigurationError
from messaging.hazard_classes import UNKNOWN_CLASS, USUAL_SEVERITY, HazardClass
from messaging.runtime.configuration_files import load_settings


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
class Taxonomy:
    """The hazard classes of one deployment, in the order of the detector's outputs."""

    classes: tuple[HazardClass, ...]

    def __post_init__(self) -> None:
        if not self.classes:
            raise ConfigurationError("there is no hazard class; a taxonomy needs at least one")
        _refuse_repeated("names", self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in output order."""
        return tuple(c.name for c in self.classes)

    @property
    def digest(self) -> str:
        """The digest of names and order."""
        return names_digest(self.names)

    def index(self, name: str) -> int:
        """Output index of a class. Raises `ConfigurationError` for a name that is not in the taxonomy."""
        try:
            return self.names.index(name)
        except ValueError:
            raise ConfigurationError(
                f"hazard class {name!r} is unknown; this taxonomy has {', '.join(self.names)}"
            ) from None

    def hazard(self, name: str) -> HazardClass:
        """The class of this name. Raises `ConfigurationError` for a name that is not in the taxonomy."""
        return self.classes[self.index(name)]

    def extended(self, classes: Sequence[HazardClass]) -> "Taxonomy":
        """This taxonomy with further classes at its end.

        Raises `ConfigurationError` when a name or words for prompts of theirs are there already.
        """
        return _with_own_words((*self.classes, *classes)) if classes else self

    def severity(self, name: str) -> int:
        """Severity 1-5 of a class; an `unknown` class counts as 3."""
        return USUAL_SEVERITY if name == UNKNOWN_CLASS else self.hazard(name).severity


class _ClassesFile(BaseModel):
    """The content of a classes file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: tuple[HazardClass, ...]

    @field_validator("classes")
    @classmethod
    def _are_a_taxonomy(cls, classes: tuple[HazardClass, ...]) -> tuple[HazardClass, ...]:
        try:
            _with_own_words(classes)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return classes


def names_digest(names: Iterable[str]) -> str:
    """sha256 hex of names and order: with the same digest, two detectors use the same class indices."""
    return hashlib.sha256(json.dumps(tuple(names)).encode()).hexdigest()


def read_taxonomy(path: Path) -> Taxonomy:
    """The classes of a YAML file such as `SHIPPED_CLASSES`. Raises `ConfigurationError`: one sentence."""
    return Taxonomy(load_settings(_ClassesFile, path, environment={}).classes)


def _with_own_words(classes: tuple[HazardClass, ...]) -> Taxonomy:
    taxonomy = Taxonomy(classes)
    _refuse_repeated("words", [phrase for c in classes for phrase in c.words])
    return taxonomy


def _refuse_repeated(what: str, values: Sequence[str]) -> None:
    repeated = next((value for value in values if values.count(value) > 1), None)
    if repeated is not None:
        raise ConfigurationError(
            f"the {what} of hazard classes must be distinct, but {repeated!r} is there "
            f"{values.count(repeated)} times; remove or change all but one"
        )


SHIPPED_CLASSES = Path(__file__).with_name("hazard_classes.yaml")
DEFAULT_TAXONOMY = read_taxonomy(SHIPPED_CLASSES)


def taxonomy_of(names: Iterable[str]) -> Taxonomy:
    """A taxonomy with these class names in this order, for what states no more than names.

    A class of the shipped file is as described there; any other one is known by its name alone.
    """
    known = {c.name: c for c in DEFAULT_TAXONOMY.classes}
    return Taxonomy(tuple(known.get(n) or HazardClass.undescribed(n) for n in names))
