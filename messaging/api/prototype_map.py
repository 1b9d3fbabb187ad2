"""The REST API's types of the map of prototypes."""

from messaging.resources import ConditionKey, Resource


class PrototypePoint(Resource):
    """The fleet's prototype of one class under one condition, at `x`, `y` on the map.

    `cosine` is the estimated cosine to the mean without noise, `signal_to_noise` the ratio of lengths that it
    stands for (None: no noise). One that is not `usable` holds more noise than signal. `failure_modes` are
    the ids of the modes of its class and condition.
    """

    class_name: str
    condition: ConditionKey
    x: float
    y: float
    sites: int
    tracks: int
    cosine: float
    signal_to_noise: float | None
    usable: bool
    failure_modes: tuple[str, ...]


class PrototypeMapResource(Resource):
    """All prototypes in one embedding, by the first two principal components of their directions.

    `explained` are the fractions of the variance along `x` and `y`.
    """

    embedding_digest: str | None
    explained: tuple[float, float]
    points: tuple[PrototypePoint, ...]
