"""API routes of generated images: their files, what people make of them, near duplicates."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from cloud.api.access.caller import Caller
from cloud.api.computed.duplicate_groups import DUPLICATE_BITS
from cloud.api.computed.gallery import difference_jpeg, duplicates_view, required_file
from cloud.api.paging import RowNumber
from cloud.api.services import CloudServices
from cloud.errors import NotKnown
from cloud.store.history.review_store import ImageVerdict
from cloud.store.records import SyntheticImage
from messaging.api.gallery import ImageReviewRequest, ImageReviewResource, NearDuplicatesResource

router = APIRouter(prefix="/campaigns/{campaign}/images", tags=["campaigns"])

_JPEG = "image/jpeg"
_TOO_LATE = (
    "the training of this campaign has begun: the review changes nothing in it, and is kept as a label for "
    "judges and for later campaigns"
)
_IN_TIME = "the training of this campaign, which has not begun, leaves out what is rejected"


@router.get("/duplicates")
def duplicates(
    services: CloudServices,
    campaign: str,
    bits: Annotated[int, Query(ge=0, le=128, description="of 256 that may differ")] = DUPLICATE_BITS,
) -> NearDuplicatesResource:
    """Groups of kept images with hazards that look nearly the same."""
    services.campaign_rows.get(campaign)
    return duplicates_view(services, campaign, bits)


@router.get("/{image}/full", response_class=FileResponse)
def full(services: CloudServices, campaign: str, image: RowNumber) -> FileResponse:
    """One synthetic image in its own size (JPEG)."""
    return FileResponse(required_file(services, _image(services, campaign, image), "full"), media_type=_JPEG)


@router.get("/{image}/empty", response_class=FileResponse)
def empty(services: CloudServices, campaign: str, image: RowNumber) -> FileResponse:
    """The same image without its hazards (JPEG)."""
    return FileResponse(required_file(services, _image(services, campaign, image), "empty"), media_type=_JPEG)


@router.get("/{image}/difference", response_class=Response, responses={200: {"content": {_JPEG: {}}}})
def difference(services: CloudServices, campaign: str, image: RowNumber) -> Response:
    """How the image differs from the one without hazards, four times amplified (JPEG)."""
    return Response(difference_jpeg(services, _image(services, campaign, image)), media_type=_JPEG)


@router.put("/{image}/review")
def review(
    services: CloudServices, caller: Caller, campaign: str, image: RowNumber, request: ImageReviewRequest
) -> ImageReviewResource:
    """Accept or reject an image, or take that back; `note` states what it changes."""
    verdict = None if request.verdict is None else ImageVerdict(request.verdict)
    made, begun = services.histories.reviews.review(
        campaign, image, verdict, reason=request.reason, by=caller.name
    )
    shown = ImageReviewResource.model_validate(made)
    return shown.model_copy(update={"note": _TOO_LATE if begun else _IN_TIME})


def _image(services: CloudServices, campaign: str, image: int) -> SyntheticImage:
    """Raises `NotKnown`."""
    found = services.campaign_rows.images(campaign, after=image - 1, limit=1)
    if not found or found[0].id != image:
        raise NotKnown(f"campaign {campaign[:40]!r} has no image {image}")
    return found[0]
