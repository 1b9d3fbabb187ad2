"""`blindspot campaign images|samples|duplicates|review`: generated images and what people make of them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

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
from cloud.errors import NotKnown
from messaging.api.gallery import (
    GalleryImage,
    ImageReviewRequest,
    ImageReviewResource,
    NearDuplicatesResource,
    scores_text,
)
from messaging.api.samples import MOST_SAMPLES, SampleRequest, SampleResource
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.console import notes
from messaging.runtime.program import ExitCode
from messaging.runtime.quoting import url_segment

CampaignArgument = Annotated[str, typer.Argument(help="id of the campaign, as in `campaign list`")]
UNDO = "none"
SAMPLE_POLL_S = 1.0


ImageView = Literal["full", "empty", "difference", "thumbnail"]


@campaign.command("images")
def images(
    identity: CampaignArgument,
    kept: Annotated[bool | None, typer.Option("--kept/--refused", help="only these")] = None,
    label: Annotated[str | None, typer.Option(help="only those with a box of this class")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="also write them into this folder, by their names")
    ] = None,
    view: Annotated[
        ImageView, typer.Option(help="with --out: as it is, without its hazards, their difference, small")
    ] = "full",
    details: Annotated[bool, typer.Option("--details", help="their hazards: prompt, seed, scores")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List a campaign's generated images with their reviews, or their hazards with prompts and scores."""
    asked = None if kept is None else str(kept).lower()
    path = f"campaigns/{url_segment(identity)}/images"
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page(path, GalleryImage, kept=asked, label=label, limit=500)
        if folder is not None:
            _write_images(cloud, path, found, folder, view)
    if details and not as_json:
        _print_hazards(found)
        return
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


def _print_hazards(images: Sequence[GalleryImage]) -> None:
    """One row for each hazard that was generated."""
    columns = (
        "image", "refused for", "class", "prompt", "seed", "steps", "guidance", "sampler", "scores"
    )  # fmt: skip
    rows = [
        (
            i.id, i.reason, h.class_name, h.prompt, h.seed, h.steps, h.guidance, h.sampler,
            scores_text(h.scores),
        )
        for i in images
        for h in i.hazards
    ]  # fmt: skip
    print_table("Generated hazards", columns, rows, "None of these images has a generated hazard.")


@campaign.command("samples")
@changes_state
def samples(
    mode: Annotated[str, typer.Argument(help="id of a failure mode, as in `failures list`")],
    count: Annotated[int, typer.Option(min=1, max=MOST_SAMPLES, help="hazards on the sheet")] = 4,
    seed: Annotated[int | None, typer.Option(min=0, help="another seed, other images")] = None,
    sheet: Annotated[Path, typer.Option("--out", help="the PNG file")] = Path("samples.png"),
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Generate samples of what a campaign would make of a failure mode, and write them as one sheet."""
    body = body_of(SampleRequest, mode=mode, count=count, seed=seed)
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.send("POST", "samples", SampleResource, body)
        while found.state == "running":
            time.sleep(SAMPLE_POLL_S)
            found = cloud.get(f"samples/{url_segment(found.id)}", SampleResource)
        if found.state == "done":
            write_atomically(sheet, cloud.content(f"samples/{url_segment(found.id)}/sheet"))
    if as_json:
        print_json(found)
    elif found.state == "done":
        notes.print_line(f"{sheet}: {found.hazards} hazards, {found.labelled} of them with a label")
    if found.state == "failed":
        notes.print_line(f"error: no sample of {mode} was generated: {found.reason}")
        raise typer.Exit(ExitCode.FAILED)


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


def _write_images(
    cloud: RemoteCloud, path: str, images: Sequence[GalleryImage], folder: Path, view: ImageView
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    missing = 0
    for image in images:
        try:
            name = image.name.replace("/", "-")
            write_atomically(folder / f"{name}.jpg", cloud.content(f"{path}/{image.id}/{view}"))
        except NotKnown:
            missing += 1
    absent = f"; {missing} have no such file any more" if missing else ""
    notes.print_line(f"{folder}: {len(images) - missing} images{absent}")
