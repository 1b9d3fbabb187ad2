"""The two linear classifiers behind condition tags: numbers, and how they came to be.

Multinomial logistic regression on 893 drawn streets (worlds BASE, REFERENCE, GENERATOR, BACKGROUND; 11
scenes of day, dusk, night by clear, rain, fog, snow; every other one through mp4v) and 416 photographs of
certain licence by day. Made by `python -m tests.edge.calibrate_conditions fit`.
"""

from dataclasses import dataclass

Row = tuple[float, ...]


@dataclass(frozen=True)
class LinearTable:
    """Scores of `tags` are weights @ ((features - centre) / spread) + offset; softmax gives probabilities."""

    tags: tuple[str, ...]
    centre: Row
    spread: Row
    weights: tuple[Row, ...]
    offset: Row

    def __post_init__(self) -> None:
        n = len(self.centre)
        shapes = {len(row) for row in (*self.weights, self.spread)}
        if shapes != {n} or {len(self.weights), len(self.offset)} != {len(self.tags)}:
            raise ValueError(f"a table of {len(self.tags)} tags and {n} features has rows of {shapes}")


LIGHT_TABLE = LinearTable(
    tags=("day", "dusk", "night"),
    centre=(
        103.52, 64.999, 99.508, 145.08, 0.14762, 0.13126, 0.040241, 100.1, 140.35, 1.1688, 0.52608, 1.1141,
        2.248,
    ),
    spread=(
        31.162, 32.186, 35.204, 37.848, 0.18524, 0.071099, 0.069384, 47.023, 41.454, 0.68785, 0.46896,
        0.75707, 1.1778,
    ),
    weights=(
        (
            0.764, -0.429, 0.604, -0.36, -0.507, -1.743, 0.963, 1.811, 1.251, 0.422, -0.586, 0.345, -0.121,
        ),
        (
            -0.452, -0.201, 0.743, -0.435, -0.611, 1.172, -1.731, 1.329, -0.372, -0.435, 0.317, 0.35,
            -1.234,
        ),
        (
            -0.312, 0.631, -1.348, 0.795, 1.118, 0.57, 0.768, -3.14, -0.88, 0.012, 0.269, -0.696, 1.355,
        ),
    ),
    offset=(2.963, -0.845, -2.118),
)

WEATHER_TABLE = LinearTable(
    tags=("clear", "rain", "fog", "snow"),
    centre=(
        102.9, 99.127, 0.14563, 2.0401, 1.9013, 4.4853, 0.23013, 0.1994, -0.013994, 0.033633, 0.036143,
        6.1131,
    ),
    spread=(
        31.044, 34.981, 0.18532, 0.38597, 0.34274, 0.39638, 0.17471, 0.10744, 0.039362, 0.022261, 0.021394,
        0.57392,
    ),
    weights=(
        (
            -0.782, -0.159, -0.962, -1.362, -0.672, -2.164, -0.964, -0.035, -0.685, -0.787, 3.402, 3.459,
        ),
        (
            -0.906, -0.486, -0.18, -0.065, -1.246, 1.466, -1.511, 1.331, -0.27, 3.335, -0.874, -1.382,
        ),
        (
            0.143, 0.059, 0.153, -0.87, 0.593, 0.708, 2.052, -0.765, -0.305, -1.495, -2.388, -1.966,
        ),
        (
            1.545, 0.586, 0.989, 2.297, 1.325, -0.01, 0.423, -0.531, 1.261, -1.053, -0.141, -0.111,
        ),
    ),
    offset=(2.992, -1.159, -1.282, -0.55),
)
