"""The REST API's types of generated images as people review them, and the wording of their scores."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from messaging.resources import ImageResource, Resource


class LabelBox(Resource):
    """One label of an image: class, and centre and size as fractions of the image."""

    class_name: str
    box: tuple[float, float, float, float]


class GeneratedHazard(Resource):
    """One generated hazard of an image: from what the generator made it, and what the judges measured.

    `class_name`, `sampler`, `steps` and `guidance` are empty where they were not stored. `scores` by name:
    numbers, and for `rival` a class.
    """

    class_name: str = ""
    prompt: str
    seed: int
    sampler: str = ""
    steps: int | None = None
    guidance: float | None = None
    scores: dict[str, float | str] = Field(default_factory=dict)


def scores_text(scores: Mapping[str, float | str]) -> str:
    """`strength 41.20, plan iou 0.83, rival smoke`; empty without scores."""
    values = {name: value if isinstance(value, str) else f"{value:.2f}" for name, value in scores.items()}
    return ", ".join(f"{name} {value}".replace("_", " ") for name, value in values.items())


class ImageReviewResource(Resource):
    """What a person makes of an image; `verdict` None: taken back.

    `left_out`: whether the training of its campaign leaves the image out. `note`: what the review changes.
    """

    image: str
    verdict: Literal["accepted", "rejected"] | None
    reason: str
    by: str
    at: int
    left_out: bool
    note: str = ""


class ImageReviewRequest(Resource):
    """What a person makes of an image; None takes it back."""

    verdict: Literal["accepted", "rejected"] | None
    reason: str = Field(default="", max_length=500)


class GalleryImage(ImageResource):
    """One synthetic image: its labels and hazards, its review, and the addresses of its views in this API.

    `hazards`: what was generated, with a label if the image was kept; none if the budget did not cover it.
    `full` is the image, `empty` the same without its hazards, `difference` how the two differ; None where the
    campaign has no such file (images of earlier versions have no `empty`). Pixels of `width` x `height`.
    `near_duplicates`: ids of images whose hazards look nearly the same, at most 20.
    """

    width: int | None = None
    height: int | None = None
    labels: tuple[LabelBox, ...] = ()
    hazards: tuple[GeneratedHazard, ...] = ()
    full: str | None = None
    empty: str | None = None
    difference: str | None = None
    review: ImageReviewResource | None = None
    near_duplicates: tuple[int, ...] = ()


class NearDuplicates(Resource):
    """Images (ids) of one campaign with hazards that look nearly the same."""

    images: tuple[int, ...]


class NearDuplicatesResource(Resource):
    """Groups of near duplicates among the kept images, largest first.

    Two hazards look nearly the same if their perceptual hashes (256 bits) differ in at most `bits`. `images`
    is how many images were compared: those with a stored hash, at most the first `limit`.
    """

    bits: int
    images: int
    limit: int
    groups: tuple[NearDuplicates, ...]
