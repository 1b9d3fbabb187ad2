"""People as jointed strokes in three dimensions: standing, walking, sitting, and fallen."""

from dataclasses import dataclass

import numpy as np

from synth.street.paint import Colour, Sketch, Sprite, hsv, tone
from synth.street.view import View
from synth.street.worlds import World

_SKIN = ((120.0, 150.0, 200.0), (95.0, 130.0, 185.0), (60.0, 88.0, 135.0), (45.0, 62.0, 95.0))
_SHOES = (35.0, 35.0, 40.0)
_SIDES = ("knee_l", "knee_r", "foot_l", "foot_r", "hand_l", "hand_r", "shoulder_l", "shoulder_r")
_JOINTS = ("head", "neck", "hip", *_SIDES)
Joints = dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Person:
    """Clothes, skin, hair, build (1 is usual) and height in metres of one person."""

    top: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    build: float
    tall_m: float


def make_person(world: World, rng: np.random.Generator) -> Person:
    """A random person of this world."""
    skin = _SKIN[int(rng.integers(len(_SKIN)))]
    shade = world.pick(rng, 0.88, 1.1)
    dark = world.pick(rng, 18, 90)
    return Person(
        top=_cloth(world, rng, brightest=230),
        trousers=_cloth(world, rng, brightest=130),
        skin=(skin[0] * shade, skin[1] * shade, skin[2] * shade),
        hair=(dark * 0.7, dark * 0.8, dark),
        build=world.pick(rng, 0.85, 1.2),
        tall_m=world.pick(rng, 1.58, 1.88),
    )


def _cloth(world: World, rng: np.random.Generator, *, brightest: float) -> Colour:
    return hsv(world.pick(rng, 0, 179), world.pick(rng, 10, 190), world.pick(rng, 45, brightest))


def upright(person: Person, *, gait: float = 0.0, heading: float = 0.0, sitting: bool = False) -> Joints:
    """Joints in metres about the feet; `gait` is the swing of the legs in radians."""
    k = person.tall_m / 1.75
    hip = 0.48 if sitting else 0.9
    swing = 0.34 * np.sin(gait)
    forward = (float(np.sin(heading)), float(np.cos(heading)))
    across = (float(np.cos(heading)), -float(np.sin(heading)))

    def at(side: float, up: float, ahead: float) -> tuple[float, float, float]:
        x = side * across[0] + ahead * forward[0]
        z = side * across[1] + ahead * forward[1]
        return x * k, up * k, z * k

    knee = 0.42 if sitting else 0.06
    return {
        "head": at(0, hip + 0.72, 0.03),
        "neck": at(0, hip + 0.55, 0),
        "hip": at(0, hip, 0),
        "knee_l": at(-0.1, 0.47, knee + swing * 0.6),
        "knee_r": at(0.1, 0.47, knee - swing * 0.6),
        "foot_l": at(-0.1, 0.05, (0.4 if sitting else 0.0) + swing),
        "foot_r": at(0.1, 0.05, (0.4 if sitting else 0.0) - swing),
        "hand_l": at(-0.27, hip + 0.02, 0.05 - swing * 0.7),
        "hand_r": at(0.27, hip + 0.02, 0.05 + swing * 0.7),
        "shoulder_l": at(-0.19, hip + 0.5, 0),
        "shoulder_r": at(0.19, hip + 0.5, 0),
    }


def fallen(person: Person, rng: np.random.Generator, *, heading: float, stir: float = 0.0) -> Joints:
    """Joints of a person lying on the ground along `heading`; `stir` moves the arms a little."""
    k = person.tall_m / 1.75
    along = (float(np.cos(heading)), float(np.sin(heading)))
    aside = (-along[1], along[0])
    bend = rng.uniform(-0.28, 0.28, size=8)

    def at(ahead: float, side: float, up: float) -> tuple[float, float, float]:
        x = ahead * along[0] + side * aside[0]
        z = ahead * along[1] + side * aside[1]
        return x * k, up * k, z * k

    arms = [rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.6)]
    return {
        "head": at(0.78, bend[0] * 0.3, 0.13),
        "neck": at(0.58, 0.0, 0.14),
        "hip": at(0.0, bend[1] * 0.3, 0.13),
        "knee_l": at(-0.4, -0.16 + bend[2], 0.1 + abs(bend[3])),
        "knee_r": at(-0.42, 0.16 + bend[4], 0.1),
        "foot_l": at(-0.82, -0.16 + bend[2] * 0.6, 0.08),
        "foot_r": at(-0.84, 0.2 + bend[4] * 1.2, 0.08),
        "hand_l": at(0.2 + bend[5] * 2, -0.25 - arms[0] + stir, 0.07),
        "hand_r": at(0.3 + bend[6] * 2, 0.25 + arms[1] - stir, 0.07),
        "shoulder_l": at(0.52, -0.2, 0.14),
        "shoulder_r": at(0.52, 0.2, 0.14),
    }


def draw_person(person: Person, joints: Joints, *, view: View, x: float, z: float) -> Sprite | None:
    """The person with feet (or, lying, hip) at x, z; the sprite's depth is that of the nearest joint."""
    local = np.asarray([joints[name] for name in _JOINTS], np.float32)
    pixels = view.project(local + np.asarray([x, 0, z], np.float32))
    per_m = view.pixels_per_m(z)
    thick = per_m * person.build
    sketch = Sketch()

    def limb(start: str, end: str, radius: float, colour: Colour) -> None:
        sketch.line(pixels[[_JOINTS.index(start), _JOINTS.index(end)]], radius, colour=colour)

    def ball(joint: str, radius: float, colour: Colour) -> None:
        sketch.line(pixels[_JOINTS.index(joint)][None], radius, colour=colour)

    far, near = ("l", "r") if joints["foot_l"][2] > joints["foot_r"][2] else ("r", "l")
    sleeve, light = tone(person.top, 0.85), tone(person.top, 1.16)
    for s in (far, near):
        limb(f"knee_{s}", f"foot_{s}", 0.065 * thick, person.trousers)
        ball(f"foot_{s}", 0.075 * thick, _SHOES)
        limb("hip", f"knee_{s}", 0.085 * thick, person.trousers)
    limb(f"shoulder_{far}", f"hand_{far}", 0.05 * thick, sleeve)
    limb("shoulder_l", "shoulder_r", 0.09 * thick, person.top)
    limb("neck", "hip", 0.165 * thick, person.top)
    limb("neck", "hip", 0.07 * thick, light)
    limb(f"shoulder_{near}", f"hand_{near}", 0.05 * thick, sleeve)
    for s in (far, near):
        ball(f"hand_{s}", 0.05 * thick, person.skin)
    ball("head", 0.115 * per_m, person.skin)
    head, neck = pixels[_JOINTS.index("head")], pixels[_JOINTS.index("neck")]
    sketch.line((head + (head - neck) * 0.3)[None], 0.1 * per_m, colour=person.hair)
    return sketch.render((view.width, view.height), z + float(local[:, 2].min()) - 0.2, x=x)
