"""The REST API's types of generated images as people review them."""

from typing import Literal

from pydantic import Field

from messaging.resources import ImageResource, Resource


class LabelBox(Resource):
    """One label of an image: class, and centre and size as fractions of the image."""

    class_name: str
    box: tuple[float, float, float, float]


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
    """One synthetic image with its labels, its review, and the addresses of its views in this API.

    `full` is the image, `empty` the same without its hazards, `difference` how the two differ; None where the
    campaign has no such file (images of earlier versions have no `empty`). Pixels of `width` x `height`.
    `near_duplicates`: ids of images whose hazards look nearly the same, at most 20.
    """

    width: int | None = None
    height: int | None = None
    labels: tuple[LabelBox, ...] = ()
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
