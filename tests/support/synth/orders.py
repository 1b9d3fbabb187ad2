"""Orders for tests, small and cheap."""

from typing import Any

from messaging.taxonomy import Light, RegionBin, SizeBin, Weather
from synth.order import SynthesisOrder, WeightedGeometry


def order(**changes: Any) -> SynthesisOrder:
    """An order of four potholes at night; any field may be changed."""
    fields: dict[str, Any] = {
        "order": "potholes",
        "class_name": "pothole",
        "light": Light.NIGHT,
        "weather": Weather.CLEAR,
        "geometry": (geometry(),),
        "count": 4,
        "seed": 3,
        "patch_budget": 400,
        "best_of": 1,
        "image_width": 320,
        "image_height": 192,
    }
    return SynthesisOrder(**{**fields, **changes})


def geometry(size: SizeBin = SizeBin.MEDIUM, region: RegionBin = RegionBin.UNKNOWN) -> WeightedGeometry:
    """One bin of a geometry histogram."""
    return WeightedGeometry(size=size, region=region, weight=1.0)
