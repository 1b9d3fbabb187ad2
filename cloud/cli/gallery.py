"""`blindspot campaign images|duplicates|review`: generated images and what people make of them."""

from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.campaigns import campaign
from cloud.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    body_of,
    print_json,
    print_table,
    show_list,
)
from cloud.cli.dry_run import changes_state
from messaging.api.gallery import (
    GalleryImage,
    ImageReviewRequest,
    ImageReviewResource,
    NearDuplicatesResource,
)
from messaging.runtime.console import notes
from messaging.runtime.quoting import url_segment

CampaignArgument = Annotated[str, typer.Argument(help="id of the campaign, as in `campaign list`")]
UNDO = "none"


@campaign.command("images")
def images(
    identity: CampaignArgument,
    kept: Annotated[bool | None, typer.Option("--kept/--refused", help="only these")] = None,
    label: Annotated[str | None, typer.Option(help="only those with a box of this class")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List a campaign's generated images with prompts, scores (as JSON) and reviews."""
    asked = None if kept is None else str(kept).lower()
    path = f"campaigns/{url_segment(identity)}/images"
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page(path, GalleryImage, kept=asked, label=label, limit=500)
    show_list(
        found,
        as_json,
        title="Images",
        columns=("image", "name", "failure mode", "kept", "refused for", "labels", "review", "by"),
        row=lambda i: (
            i.id, i.name, i.mode, i.kept, i.reason, len(i.labels),
            i.review.verdict if i.review else "", i.review.by if i.review and i.review.verdict else "",
        ),
        empty="The campaign has generated no image yet." if label is None else "No image has such a box.",
    )  # fmt: skip


@campaign.command("duplicates")
def duplicates(
    identity: CampaignArgument,
    bits: Annotated[int | None, typer.Option(min=0, max=128, help="of 256 that may differ")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List groups of kept images with hazards that look nearly the same."""
    with RemoteCloud.of_folder(data) as cloud:
        path = f"campaigns/{url_segment(identity)}/images/duplicates"
        found = cloud.get(path, NearDuplicatesResource, bits=bits)
    if as_json:
        print_json(found)
        return
    title = f"Near duplicates among {found.images} images: at most {found.bits} bits differ"
    rows = [(len(group.images), group.images) for group in found.groups]
    print_table(title, ("number", "images"), rows, "no near duplicates")


@campaign.command("review")
@changes_state
def review(
    identity: CampaignArgument,
    image: Annotated[int, typer.Argument(help="id of the image, as in `campaign images`")],
    verdict: Annotated[str, typer.Argument(help="accepted, rejected, or none to take it back")],
    reason: Annotated[str, typer.Option(help="why")] = "",
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Accept or reject a generated image; a rejected one is left out of trainings that begin later."""
    request = body_of(ImageReviewRequest, verdict=None if verdict == UNDO else verdict, reason=reason)
    path = f"campaigns/{url_segment(identity)}/images/{image}/review"
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.send("PUT", path, ImageReviewResource, request)
    if as_json:
        print_json(found)
        return
    notes.print_line(f"image {image} is {found.verdict or 'not reviewed'}: {found.note}")
