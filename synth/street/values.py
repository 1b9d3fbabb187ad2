"""Results of drawing: an image with exact boxes, as frozen values. Nothing here draws."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messaging.errors import ConfigurationError
from messaging.taxonomy import Condition, Light, Weather

DRAWN_CLASSES = ("fire", "smoke", "pothole", "garbage", "fallen_person")
DRAWN_CONDITIONS = tuple(
    Condition(light, weather)
    for light in (Light.DAY, Light.DUSK, Light.NIGHT)
    for weather in (Weather.CLEAR, Weather.RAIN, Weather.FOG)
)


@dataclass(frozen=True)
class DrawnBox:
    """The visible part of one hazard: `xyxy` in pixels, tight, inside the frame; `track` names the hazard."""

    class_name: str
    xyxy: tuple[float, float, float, float]
    track: int

    def __post_init__(self) -> None:
        left, top, right, bottom = self.xyxy
        if not (left < right and top < bottom):
            raise ConfigurationError(
                f"a drawn box needs left < right and top < bottom pixels; got {self.xyxy}"
            )


@dataclass(frozen=True, eq=False)
class DrawnFrame:
    """One image, BGR uint8 (h, w, 3), with a box for every visible hazard."""

    image: NDArray[np.uint8]
    boxes: tuple[DrawnBox, ...]
    condition: Condition
    index: int
    time_s: float


def check_classes(classes: tuple[str, ...]) -> None:
    """Raises `ConfigurationError` for a class that cannot be drawn."""
    unknown = [name for name in classes if name not in DRAWN_CLASSES]
    if unknown or not classes:
        raise ConfigurationError(
            f"classes {unknown or classes} cannot be drawn; choose some of {', '.join(DRAWN_CLASSES)}"
        )
