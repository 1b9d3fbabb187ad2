"""Drawn street scenes with exact labels, as taken by a city camera: stills, pairs, running cameras.

Uses only the vocabulary of `messaging.taxonomy`. Every image is a pure function of world, seed and condition;
worlds are disjoint (see `synth.street.worlds`), so images of one never leak into the purpose of another.
"""

from synth.street.camera import StreetCamera
from synth.street.footage import FootageBox, Truth, read_truth, write_footage
from synth.street.stills import draw_pair, draw_still
from synth.street.values import DRAWN_CLASSES, DRAWN_CONDITIONS, DrawnBox, DrawnFrame
from synth.street.worlds import WORLDS, World, WorldName

__all__ = [
    "DRAWN_CLASSES",
    "DRAWN_CONDITIONS",
    "WORLDS",
    "DrawnBox",
    "DrawnFrame",
    "FootageBox",
    "StreetCamera",
    "Truth",
    "World",
    "WorldName",
    "draw_pair",
    "draw_still",
    "read_truth",
    "write_footage",
]
