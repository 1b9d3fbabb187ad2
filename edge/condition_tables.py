"""The two linear classifiers behind condition tags: numbers, and how they came to be.

Multinomial logistic regression on 946 drawn pictures (worlds BASE and REFERENCE; 11 scenes of day, dusk,
night by clear, rain, fog, snow; stills and frames of mp4v footage) and 416 photographs of certain licence
(as clear days). Made by `python -m tests.edge.calibrate_conditions fit`.
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
        97.267, 61.917, 93.167, 134.99, 0.19069, 0.1284, 0.033166, 1.06, 0.4895, 1.0079, 1.9917,
    ),
    spread=(
        33.746, 32.578, 37.4, 41.16, 0.24501, 0.067248, 0.065606, 0.69281, 0.458, 0.74701, 1.2013,
    ),
    weights=(
        (
            0.819, -0.773, 0.208, 0.531, -0.655, -1.084, 1.14, 0.177, 0.742, 0.489, 0.222,
        ),
        (
            -0.538, 0.18, -0.207, -0.771, -1.762, 0.775, -1.653, -0.481, 0.205, -0.202, -0.761,
        ),
        (
            -0.281, 0.593, -0, 0.24, 2.417, 0.309, 0.513, 0.303, -0.947, -0.287, 0.539,
        ),
    ),
    offset=(2.399, -2.266, -0.133),
)

WEATHER_TABLE = LinearTable(
    tags=("clear", "rain", "fog", "snow"),
    centre=(
        96.475, 92.605, 0.19012, 1.9728, 1.8192, 4.4178, 0.24025, 0.19094, -0.00829, 0.033719, 0.03432,
        6.0074,
    ),
    spread=(
        33.586, 37.183, 0.24691, 0.37871, 0.34271, 0.39688, 0.17553, 0.097711, 0.043962, 0.022511,
        0.021059, 0.60415,
    ),
    weights=(
        (
            -0.915, -0.652, -1.21, -0.916, -0.852, -3.091, -1.263, 0.545, -0.829, -1.118, 3.754, 3.885,
        ),
        (
            -0.862, -0.279, -0.246, 0.54, -1.403, 1.68, -1.048, 0.931, -0.232, 3.531, -1.865, -1.19,
        ),
        (
            0.104, 0.141, -0.461, -1.008, 0.776, 0.471, 2.073, -1.368, -0.163, -0.899, -1.643, -2.387,
        ),
        (
            1.672, 0.79, 1.917, 1.384, 1.479, 0.941, 0.238, -0.108, 1.224, -1.514, -0.247, -0.308,
        ),
    ),
    offset=(2.846, -1.431, -0.772, -0.644),
)
