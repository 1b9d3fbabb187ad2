"""Generated images as people review them: labels, views of the files, near duplicates.

The files of an image lie beside its thumbnail in the labelled set: `images/`, and `empty/` for the same image
without its hazards, which is no part of the set.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cloud.api.computed.near_duplicates import near_duplicates
from cloud.api.services import Services
from cloud.api.views import image_view
from cloud.data.labelled_images import read_image
from cloud.errors import NotKnown
from cloud.store.history.review_store import ImageReview
from cloud.store.records import SyntheticImage
from messaging.api.gallery import (
    GalleryImage,
    ImageReviewResource,
    LabelBox,
    NearDuplicates,
    NearDuplicatesResource,
)
from messaging.resources import API_PREFIX

DUPLICATE_BITS = 24
MAX_COMPARED = 5000
_DIFFERENCE_GAIN = 4
_QUALITY = 85
_FOLDERS = {"full": "images", "empty": "empty"}


def gallery_image(services: Services, image: SyntheticImage, review: ImageReview | None) -> GalleryImage:
    """An image with its labels, its review, and addresses of those views of which the files are there."""
    shown = image_view(image)
    base = f"{API_PREFIX}/campaigns/{image.campaign}/images/{image.id}"
    full, empty = (file_of(services, image, view) is not None for view in ("full", "empty"))
    width, height = (image.provenance.get(side) for side in ("width", "height"))
    return GalleryImage(
        **shown.model_dump(),
        width=width,
        height=height,
        labels=tuple(_labels(image, width, height)) if width and height else (),
        full=f"{base}/full" if full else None,
        empty=f"{base}/empty" if empty else None,
        difference=f"{base}/difference" if full and empty else None,
        review=None if review is None else ImageReviewResource.model_validate(review),
    )


def _hazards(image: SyntheticImage) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = image.provenance.get("hazards", ())
    return found


def _labels(image: SyntheticImage, width: int, height: int) -> Iterable[LabelBox]:
    for hazard in _hazards(image):
        left, top, right, bottom = hazard["box"]
        centre = (left + right) / 2 / width, (top + bottom) / 2 / height
        size = (right - left) / width, (bottom - top) / height
        box = tuple(round(value, 5) for value in (*centre, *size))
        yield LabelBox.model_validate({"class_name": hazard["class"], "box": box})


def file_of(services: Services, image: SyntheticImage, view: str) -> Path | None:
    """The file of the view `full` or `empty`; None where it is not in the campaign's folder."""
    if not image.thumbnail:
        return None
    thumbnail = (services.settings.data / image.thumbnail).resolve()
    path = thumbnail.parent.parent / _FOLDERS[view] / thumbnail.name
    inside = path.is_relative_to(services.settings.folder.campaigns.resolve())
    return path if inside and path.is_file() else None


def required_file(services: Services, image: SyntheticImage, view: str) -> Path:
    """The same. Raises `NotKnown`."""
    path = file_of(services, image, view)
    if path is None:
        raise NotKnown(f"image {image.id} of campaign {image.campaign} has no file for its {view} view")
    return path


def difference_jpeg(services: Services, image: SyntheticImage) -> bytes:
    """How the image differs from the one without hazards: absolute, amplified, as JPEG. Raises `NotKnown`."""
    full, empty = (read_image(required_file(services, image, view)) for view in ("full", "empty"))
    if full.shape != empty.shape:
        raise NotKnown(f"the files of image {image.id} of campaign {image.campaign} differ in size")
    difference = np.minimum(cv2.absdiff(full, empty).astype(np.uint16) * _DIFFERENCE_GAIN, 255)
    _, data = cv2.imencode(".jpg", difference.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(data)


def duplicates_view(services: Services, campaign: str, bits: int) -> NearDuplicatesResource:
    """Near duplicates among the first kept images of a campaign."""
    images = services.campaign_rows.images(campaign, kept=True, limit=MAX_COMPARED)
    hashes = {
        image.id: [bytes.fromhex(h["fingerprint"]) for h in _hazards(image) if "fingerprint" in h]
        for image in images
    }
    known = {image: found for image, found in hashes.items() if found}
    return NearDuplicatesResource(
        bits=bits,
        images=len(known),
        limit=MAX_COMPARED,
        groups=tuple(NearDuplicates(images=tuple(g)) for g in near_duplicates(known, bits=bits)),
    )
