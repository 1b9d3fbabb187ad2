"""The REST API's types of evidence: single misdetections as sites reported them."""

from messaging.resources import ConditionKey, Resource


class MisdetectionResource(Resource):
    """One reported misdetection; the box is centre and size as fractions of the frame."""

    site: str
    camera: str
    kind: str
    class_name: str
    condition: ConditionKey
    evidence: str
    probability: float
    box: tuple[float, float, float, float]
    size: str
    region: str
    sharpness: str
    occlusion: str
    minute_utc: int
    model_digest: str
