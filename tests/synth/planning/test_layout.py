import itertools

import numpy as np
import pytest

from messaging.hazard_classes import HazardClass, HazardPlace, TypicalBox
from messaging.taxonomy import DEFAULT_TAXONOMY, RegionBin, SizeBin
from synth.errors import OrderRefused
from synth.planning.layout import Ground, ScenePlan, plan_scene
from tests.support.synth.orders import geometry, order

GROUND = Ground(horizon=0.3)


def plans(count: int = 30, ground: Ground = GROUND, **changes: object) -> list[ScenePlan]:
    wanted = order(**changes)
    return [plan_scene(wanted, k, width=640, height=360, ground=ground) for k in range(count)]


def test_the_same_order_and_scene_give_the_same_plan_and_another_seed_another() -> None:
    assert plans(3) == plans(3)
    assert plans(3) != plans(3, seed=4)


@pytest.mark.parametrize(
    ("size", "low", "high"),
    [
        (SizeBin.TINY, 0, 0.04),
        (SizeBin.SMALL, 0.04, 0.1),
        (SizeBin.MEDIUM, 0.1, 0.25),
        (SizeBin.LARGE, 0.25, 1),
    ],
)
@pytest.mark.parametrize("name", ["fire", "pothole", "fallen_person"])
def test_boxes_have_the_sizes_of_the_ordered_geometry(
    size: SizeBin, low: float, high: float, name: str
) -> None:
    for plan in plans(geometry=(geometry(size),), class_name=name):
        for place in plan.places:
            longer = max(place.box[2] - place.box[0], place.box[3] - place.box[1]) / 640
            assert low <= longer < high
            assert place.size(640, 360) is size


@pytest.mark.parametrize("region", [RegionBin.LEFT, RegionBin.BOTTOM_RIGHT, RegionBin.MIDDLE, RegionBin.TOP])
def test_boxes_are_in_the_ordered_region(region: RegionBin) -> None:
    inside = 0
    for plan in plans(geometry=(geometry(SizeBin.SMALL, region),), class_name="fire"):
        x, y = (
            (plan.places[0].box[0] + plan.places[0].box[2]) / 2,
            (plan.places[0].box[1] + plan.places[0].box[3]) / 2,
        )
        row, column = int(3 * y / 360), int(3 * x / 640)
        names = [
            ["top_left", "top", "top_right"],
            ["left", "middle", "right"],
            ["bottom_left", "bottom", "bottom_right"],
        ]
        inside += names[row][column] == region
    assert inside >= 27


@pytest.mark.parametrize("name", ["pothole", "garbage", "fallen_person", "flood", "stopped_vehicle"])
def test_hazards_on_the_ground_have_their_lower_edge_below_the_horizon(name: str) -> None:
    unknown = (geometry(SizeBin.UNKNOWN, RegionBin.UNKNOWN), geometry(SizeBin.MEDIUM, RegionBin.TOP))
    assert all(
        place.box[3] > 0.3 * 360 for plan in plans(class_name=name, geometry=unknown) for place in plan.places
    )


def test_a_size_that_is_unknown_grows_towards_the_camera() -> None:
    boxes = [p.box for plan in plans(60, geometry=(geometry(SizeBin.UNKNOWN),)) for p in plan.places]
    near = [b[2] - b[0] for b in boxes if b[3] > 300]
    far = [b[2] - b[0] for b in boxes if b[3] < 220]
    assert np.mean(near) > 1.5 * np.mean(far)


def test_potholes_stay_on_the_road_that_the_background_shows() -> None:
    road = np.zeros((360, 640), np.bool_)
    road[200:, 200:440] = True
    feet = [
        p.box
        for plan in plans(ground=Ground(0.3, road, road), geometry=(geometry(SizeBin.SMALL),))
        for p in plan.places
    ]
    on_road = [road[int(b[3]) - 3, int((b[0] + b[2]) / 2)] for b in feet]
    assert np.mean(on_road) > 0.95


def test_patches_are_squares_inside_the_image_that_contain_the_whole_mask() -> None:
    sizes = tuple(geometry(size) for size in SizeBin)
    for place in (p for plan in plans(geometry=sizes) for p in (*plan.places, *plan.controls)):
        window = place.window
        assert window.side >= 48
        assert 0 <= window.left <= 640 - window.side
        assert 0 <= window.top <= 360 - window.side
        assert place.mask(64).any()
        assert not place.mask(64).all()


def test_no_two_places_of_a_scene_touch_and_every_image_has_hazard_free_patches() -> None:
    for plan in plans():
        boxes = [place.box for place in (*plan.places, *plan.controls)]
        assert all(
            a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]
            for a, b in itertools.combinations(boxes, 2)
        )
        first, second = plan.hazards_of(0), plan.hazards_of(1)
        assert 1 <= len(first) <= 2
        assert len(second) + len(plan.controls) >= 2
        assert sorted((*first, *second)) == list(range(len(plan.places)))


def test_a_geometry_that_fits_nowhere_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.planning.layout._TRIES", 0)
    with pytest.raises(OrderRefused, match="smaller sizes or larger images"):
        plans(1)


def own(place: HazardPlace, **changes: object) -> dict[str, object]:
    """Changes of an order that make it one for an own class at this place."""
    sign = HazardClass(name="sign", severity=2, words=("a broken sign",), place=place)
    return {"classes": (*DEFAULT_TAXONOMY.classes, sign), "class_name": "sign", **changes}


def masked_ground() -> Ground:
    """Ground below row 200 of 360, road in its middle half."""
    ground_mask, road_mask = np.zeros((360, 640), np.bool_), np.zeros((360, 640), np.bool_)
    ground_mask[200:] = True
    road_mask[200:, 160:480] = True
    return Ground(horizon=0.5, ground_mask=ground_mask, road_mask=road_mask)


@pytest.mark.parametrize(
    ("place", "on_ground", "on_road"),
    [
        (HazardPlace.ROAD, 1.0, 1.0),
        (HazardPlace.VEHICLE, 1.0, 1.0),
        (HazardPlace.GROUND, 1.0, 0.5),
        (HazardPlace.ANYWHERE, 0.9, 0.5),
        (HazardPlace.WALL, 0.0, 0.0),
    ],
)
def test_an_own_class_is_where_its_description_says(
    place: HazardPlace, on_ground: float, on_road: float
) -> None:
    changes = own(place, geometry=(geometry(SizeBin.SMALL),))
    boxes = [p.box for plan in plans(60, masked_ground(), **changes) for p in plan.places]
    feet = np.asarray([box[3] - 0.15 * (box[3] - box[1]) for box in boxes])
    centres = np.asarray([(box[0] + box[2]) / 2 for box in boxes])
    grounded = feet >= 200
    assert len(boxes) > 60
    assert abs(grounded.mean() - on_ground) < 0.15
    assert abs((grounded & (centres >= 160) & (centres < 480)).mean() - on_road) < 0.15


def test_an_own_class_has_the_box_of_its_description() -> None:
    shape = TypicalBox(aspect=(5, 6), near_fraction=0.3)
    pole = HazardClass(name="pole", severity=2, words=("a fallen pole",), box=shape)
    boxes = [p.box for plan in plans(classes=(pole,), class_name="pole") for p in plan.places]
    aspects = [(box[2] - box[0]) / (box[3] - box[1]) for box in boxes]
    assert 4.9 < min(aspects) <= max(aspects) < 6.1
