"""Generated images as people review them: labels, views of the files, near duplicates.

The files of an image lie beside its thumbnail in the labelled set: `images/`, and `empty/` for the same image
without its hazards, which is no part of the set.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cloud.api.computed.duplicate_groups import MAX_COMPARED, DuplicateGroups
from cloud.api.paging import encode_cursor, integer_cursor
from cloud.api.services import Services
from cloud.api.views import image_view
from cloud.data.labelled_images import read_image
from cloud.errors import NotKnown
from cloud.store.history.review_store import ImageReview
from cloud.store.lists.filters import ImageFilter
from cloud.store.records import SyntheticImage
from messaging.api.gallery import (
    GalleryImage,
    GeneratedHazard,
    ImageReviewResource,
    LabelBox,
    NearDuplicates,
    NearDuplicatesResource,
)
from messaging.resources import API_PREFIX, Page

_DUPLICATES_SHOWN = 20
_DIFFERENCE_GAIN = 4
_QUALITY = 85
_FOLDERS = {"full": "images", "empty": "empty"}


def gallery_image(
    services: Services, image: SyntheticImage, review: ImageReview | None, duplicates: DuplicateGroups
) -> GalleryImage:
    """An image with its labels, its review, and addresses of those views of which the files are there.

    `duplicates` are those of its campaign: they are looked up once for all images of a page.
    """
    shown = image_with_files(image, [view for view in _FOLDERS if file_of(services, image, view) is not None])
    found = {
        "review": None if review is None else ImageReviewResource.model_validate(review),
        "near_duplicates": duplicates.others(image.id)[:_DUPLICATES_SHOWN],
    }
    return shown.model_copy(update=found)


def image_with_files(image: SyntheticImage, files: Collection[str]) -> GalleryImage:
    """An image as its row and the files of its views (`full`, `empty`) give it, not reviewed."""
    shown = image_view(image)
    base = f"{API_PREFIX}/campaigns/{image.campaign}/images/{image.id}"
    full, empty = ("full" in files, "empty" in files)
    width, height = (image.provenance.get(side) for side in ("width", "height"))
    return GalleryImage(
        **shown.model_dump(),
        width=width,
        height=height,
        labels=tuple(_labels(image, width, height)) if width and height else (),
        hazards=tuple(_generated(image)),
        full=f"{base}/full" if full else None,
        empty=f"{base}/empty" if empty else None,
        difference=f"{base}/difference" if full and empty else None,
    )


def duplicates_page(
    services: Services, campaign: str, wanted: ImageFilter, *, cursor: str | None, limit: int
) -> Page[GalleryImage]:
    """The images that have near duplicates, group after group; a page may have fewer than `limit`.

    The cursor is a place among them: it moves if images arrive between two pages. Raises `BadRequest`.
    """
    duplicates = services.duplicates.of(services.campaign_rows, campaign)
    every = duplicates.images
    start = integer_cursor(cursor)
    ids = every[start : start + limit]
    lists = services.campaign_rows.lists
    rows = {row.id: row for row in lists.images(campaign, wanted, ids=ids, limit=limit)}
    reviews = services.histories.reviews.of_campaign(campaign)
    return Page(
        items=tuple(
            gallery_image(services, rows[one], reviews.get(rows[one].name), duplicates)
            for one in ids
            if one in rows
        ),
        next=encode_cursor(start + limit) if start + limit < len(every) else None,
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


def _generated(image: SyntheticImage) -> Iterable[GeneratedHazard]:
    """The hazards with a label, or the refused one if the generator made it."""
    for hazard in _hazards(image):
        yield GeneratedHazard.model_validate({**hazard, "class_name": hazard["class"]})
    if image.provenance.get("prompt"):
        yield GeneratedHazard.model_validate(image.provenance)


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
    found = services.duplicates.of(services.campaign_rows, campaign, bits)
    return NearDuplicatesResource(
        bits=bits,
        images=found.compared,
        limit=MAX_COMPARED,
        groups=tuple(NearDuplicates(images=group) for group in found.groups),
    )
