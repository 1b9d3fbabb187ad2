"""The two linear classifiers behind condition tags: numbers, and how they came to be.

Multinomial logistic regression on 1,474 drawn streets of the worlds BASE, REFERENCE, GENERATOR, BACKGROUND
(11 conditions of day, dusk, night by clear, rain, fog, snow; some through mp4v) and 416 photographs of known
licence by day. Made by `python -m synth.experiments.condition_tables fit`. Of drawn cameras of FOOTAGE
and HOLDOUT (11 conditions, 4 streets each, 24 frames after mp4v), never fitted to but seen when features and
weights were chosen, light is right in 98 % of frames and weather in 92 %: snow at night passes for rain, a
clear dusk for rain or fog. On photographs of other sources light is right in 847 of 957 by day (83 pass for
dusk) and in 35 of 47 by night (12 pass for day); their weather is not labelled, and smoke passes for fog
there.
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
        97.278,
        62.324,
        93.595,
        134.03,
        0.21549,
        0.12614,
        0.036742,
        97.137,
        134.7,
        0.1533,
        1.0838,
        0.50545,
        1.0424,
        1.9892,
    ),
    spread=(
        37.077,
        34.209,
        40.796,
        43.911,
        0.27105,
        0.059614,
        0.070152,
        49.618,
        46.098,
        0.20848,
        0.76228,
        0.47967,
        0.82,
        1.2812,
    ),
    weights=(
        (
            0.602,
            0.471,
            0.663,
            0.328,
            -0.96,
            -0.675,
            0.028,
            1.095,
            0.729,
            -0.756,
            0.486,
            0.292,
            0.523,
            0.318,
        ),
        (
            -0.151,
            -0.042,
            -0.021,
            -0.381,
            -0.244,
            0.647,
            -0.041,
            0.048,
            -0.218,
            2.376,
            -0.148,
            -0.01,
            -0.063,
            -0.364,
        ),
        (
            -0.451,
            -0.429,
            -0.642,
            0.054,
            1.204,
            0.028,
            0.013,
            -1.143,
            -0.511,
            -1.62,
            -0.337,
            -0.282,
            -0.46,
            0.046,
        ),
    ),
    offset=(3.673, -2.072, -1.601),
)

WEATHER_TABLE = LinearTable(
    tags=("clear", "rain", "fog", "snow"),
    centre=(
        96.512,
        93.062,
        0.21568,
        1.9864,
        1.8354,
        4.431,
        0.23544,
        0.1974,
        -0.010678,
        0.032215,
        0.032912,
        6.0288,
    ),
    spread=(
        37.032,
        40.707,
        0.27348,
        0.36828,
        0.33037,
        0.3851,
        0.17266,
        0.10877,
        0.040784,
        0.021266,
        0.021022,
        0.57299,
    ),
    weights=(
        (
            -0.314,
            -0.404,
            -0.541,
            -0.796,
            -0.242,
            -2.423,
            -0.942,
            0.037,
            -0.656,
            -0.983,
            3.032,
            3.683,
        ),
        (
            -0.432,
            -0.548,
            0.195,
            0.088,
            -1.16,
            1.312,
            -1.399,
            1.304,
            -0.162,
            3.424,
            -1.18,
            -1.57,
        ),
        (
            0.307,
            0.414,
            0.405,
            -0.738,
            0.142,
            0.998,
            2.112,
            -0.762,
            -0.407,
            -1.491,
            -2.331,
            -2.153,
        ),
        (
            0.439,
            0.539,
            -0.058,
            1.446,
            1.261,
            0.112,
            0.229,
            -0.579,
            1.225,
            -0.95,
            0.479,
            0.041,
        ),
    ),
    offset=(3.228, -1.044, -1.525, -0.659),
)
