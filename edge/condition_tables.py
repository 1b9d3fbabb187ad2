"""The two linear classifiers behind condition tags: numbers, and how they came to be.

Multinomial logistic regression on 1,474 drawn streets of the worlds BASE, REFERENCE, GENERATOR, BACKGROUND
(11 scenes of day, dusk, night by clear, rain, fog, snow; some through mp4v) and 416 photographs of certain
licence by day. Made as `python -m tests.edge.calibrate_conditions fit` does it. On 72 single pictures of
FOOTAGE and HOLDOUT, never fitted to but seen when the weights of dusk and snow were chosen: light right in
72, weather in 70. On photographs of other sources light is right in 400 of 467 by day and 42 of 48 by night;
their weather is not labelled, and smoke passes for fog there.
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
        96.135, 59.719, 91.784, 136.11, 0.2178, 0.13821, 0.033637, 91.972, 133.58, 1.0494, 0.46911,
        0.99607, 2.0253,
    ),
    spread=(
        35.383, 33.537, 39.198, 41.567, 0.25347, 0.068781, 0.063128, 49.226, 44.261, 0.73674, 0.47839,
        0.79497, 1.2119,
    ),
    weights=(
        (
            0.665, -0.195, 0.624, -0.155, -0.693, -1.483, 0.628, 1.571, 1.152, 0.394, -0.375, 0.419,
            -0.122,
        ),
        (
            -0.375, -0.153, 0.399, -0.602, -0.811, 0.985, -1.418, 1.108, -0.152, -0.371, 0.288, 0.191,
            -1.083,
        ),
        (
            -0.29, 0.348, -1.023, 0.757, 1.504, 0.498, 0.79, -2.679, -1, -0.023, 0.087, -0.61, 1.205,
        ),
    ),
    offset=(1.972, -1.098, -0.874),
)

WEATHER_TABLE = LinearTable(
    tags=("clear", "rain", "fog", "snow"),
    centre=(
        95.545, 91.351, 0.218, 2.0243, 1.8685, 4.4785, 0.25728, 0.20885, -0.011965, 0.035627, 0.034373,
        6.0582,
    ),
    spread=(
        35.292, 39.075, 0.25498, 0.36753, 0.3343, 0.38703, 0.15988, 0.102, 0.036979, 0.020857, 0.0212,
        0.58601,
    ),
    weights=(
        (
            -0.402, -0.021, -0.372, -0.863, -0.638, -2.176, -0.613, 0.017, -0.479, -1.111, 3.101, 3.517,
        ),
        (
            -0.601, -0.666, -0.002, 0.166, -1.328, 1.333, -1.594, 1.214, -0.205, 3.434, -1.015, -1.557,
        ),
        (
            0.137, 0.037, -0.011, -0.872, 0.688, 0.769, 1.936, -0.94, -0.307, -1.444, -2.052, -2.233,
        ),
        (
            0.866, 0.65, 0.385, 1.57, 1.278, 0.074, 0.271, -0.29, 0.991, -0.879, -0.034, 0.273,
        ),
    ),
    offset=(2.622, -0.374, -0.894, -1.354),
)
