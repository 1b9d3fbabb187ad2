"""The gallery of a campaign's generated images: what its address holds, the grid, one image in full. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.pills import pill
from dashboards.components.section import facts
from dashboards.learning.mode_names import mode_text
from dashboards.markup import Html, element, image, join
from dashboards.scope import Scope
from messaging.api.gallery import GalleryImage, GeneratedHazard, scores_text
from messaging.plurals import quantity
from messaging.resources import CampaignResource

SHOWN = 60
VIEWS = {"full": "painted", "empty": "without hazards", "difference": "difference, four times amplified"}
KEPT = {"": "all", "yes": "kept", "no": "refused"}
VERDICTS = {"a": "accepted", "r": "rejected", "u": None}
SCALARS_SHOWN = 12
_OF_HAZARDS = frozenset(GeneratedHazard.model_fields)


@dataclass(frozen=True)
class GalleryChoice:
    """Which images are shown, from where on, and whether with their boxes.

    `kept` is a key of `KEPT`, `mode` a failure mode's id, `label` the class of a box;
    `duplicates`: near duplicates alone.
    """

    kept: str = ""
    reason: str = ""
    after: str = ""
    boxes: bool = True
    mode: str = ""
    duplicates: bool = False
    label: str = ""

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> "GalleryChoice":
        """The choice in the query of an address; what is not known there is left out."""
        kept, after = query.get("kept", ""), query.get("after", "")
        return cls(
            kept if kept in KEPT else "",
            query.get("reason", "")[:160],
            after[:200],
            query.get("boxes") != "off",
            query.get("mode", "")[:160],
            query.get("duplicates") == "yes",
            query.get("label", "")[:160],
        )

    def query(self) -> dict[str, str | None]:
        """The query of the address that holds the choice."""
        boxes = None if self.boxes else "off"
        duplicates = "yes" if self.duplicates else None
        chosen = {"kept": self.kept, "reason": self.reason, "after": self.after, "mode": self.mode}
        return {**chosen, "label": self.label, "duplicates": duplicates, "boxes": boxes}

    def filters(self) -> dict[str, str | None]:
        """The query for the list of images."""
        kept = {"yes": "true", "no": "false"}.get(self.kept)
        given = {"kept": kept, "reason": self.reason, "mode": self.mode, "label": self.label}
        given["cursor"] = self.after
        duplicates = "true" if self.duplicates else None
        return {"duplicates": duplicates, **{name: text or None for name, text in given.items()}}


def filters_markup(
    campaign: CampaignResource, choice: GalleryChoice, scope: Scope, images: Sequence[GalleryImage] = ()
) -> Html:
    """Links to the same gallery with other filters; the present ones are marked.

    Labels are the classes of the failure modes and of the boxes of `images`, those that are shown.
    """
    place = ("campaigns", campaign.id, "images")

    def line(text: str, wanted: GalleryChoice) -> Html:
        present = replace(choice, after="") == wanted
        address = scope.link(*place, **wanted.query())
        return element("a", text, href=address, cls="filter", aria_current="true" if present else None)

    plain = GalleryChoice(boxes=choice.boxes, mode=choice.mode, label=choice.label)
    kept = (line(text, replace(plain, kept=key)) for key, text in KEPT.items())
    ranked = sorted(campaign.images_refused.items(), key=lambda pair: (-pair[1], pair[0]))
    reasons = (
        line(f"{phrases.readable(reason)} {n:,}", replace(plain, kept="no", reason=reason))
        for reason, n in ranked
    )
    alike = line("near duplicates", replace(plain, duplicates=True))
    same, by_mode, by_label = replace(choice, after=""), None, None
    if len(campaign.modes) > 1:
        wanted = {"": "all failure modes", **{mode: mode_text(mode) for mode in campaign.modes}}
        modes = (line(text, replace(same, mode=mode)) for mode, text in wanted.items())
        by_mode = element("div", *modes, cls="filters")
    labels = {mode.partition(".")[0] for mode in campaign.modes} | ({choice.label} - {""})
    labels |= {box.class_name for one in images for box in one.labels}
    if len(labels) > 1:
        wanted = {"": "all labels", **{name: phrases.readable(name) for name in sorted(labels)}}
        named = (line(text, replace(same, label=name)) for name, text in wanted.items())
        by_label = element("div", *named, cls="filters")
    return join(element("div", *kept, alike, *reasons, cls="filters"), by_mode, by_label)


def pages_markup(campaign: str, choice: GalleryChoice, following: str | None, scope: Scope) -> Html:
    """Links to the first and the following images."""
    place = ("campaigns", campaign, "images")
    first = following_link = None
    if choice.after:
        first = element("a", "First images", href=scope.link(*place, **replace(choice, after="").query()))
    if following:
        address = scope.link(*place, **replace(choice, after=following).query())
        following_link = element("a", "Further images", href=address)
    return element("p", first, " " if first and following_link else None, following_link, cls="pages")


def thumbnail_address(campaign: str, image_id: int) -> str:
    """Address of an image's thumbnail on this page's own server."""
    return f"/thumbnails/{campaign}/{image_id}"


def grid(images: Sequence[GalleryImage], campaign: str, selected: int | None, *, boxes: bool) -> Html:
    """The images as buttons that state their id; the selected one is marked."""
    if not images:
        sentence = (
            "No image fits. Images appear here during the synthesise stage; another filter may fit. "
            "This command shows the stage:"
        )
        return Empty(sentence, command=f"blindspot campaign watch {campaign}").markup()
    tiles = (_tile(one, campaign, one.id == selected, boxes) for one in images)
    return element("div", *tiles, cls="gallery")


def duplicate_groups(
    images: Sequence[GalleryImage], campaign: str, selected: int | None, *, boxes: bool
) -> Html:
    """The same for images that come group after group: near duplicates side by side."""
    if not images:
        sentence = (
            "No near duplicates: no two kept images have hazards that look nearly the same. "
            "This command lists all images:"
        )
        return Empty(sentence, command=f"blindspot campaign images {campaign}").markup()
    groups: dict[frozenset[int], list[GalleryImage]] = {}
    for one in images:
        groups.setdefault(frozenset((one.id, *one.near_duplicates)), []).append(one)
    return join(*(_group(group, campaign, selected, boxes) for group in groups.values()))


def _group(images: Sequence[GalleryImage], campaign: str, selected: int | None, boxes: bool) -> Html:
    text = f"{quantity(len(images), 'image')} with hazards that look nearly the same"
    return join(element("h3", text), grid(images, campaign, selected, boxes=boxes))


def _tile(one: GalleryImage, campaign: str, selected: bool, boxes: bool) -> Html:
    source = thumbnail_address(campaign, one.id)
    shown = (
        image(source, f"synthetic image {one.name}")
        if one.thumbnail
        else element("span", "no thumbnail", cls="none")
    )
    frame = element("span", shown, overlay(one) if boxes else None, cls="frame", style=_ratio(one))
    alike = quantity(len(one.near_duplicates), "near duplicate") if one.near_duplicates else None
    text = join(
        pill("kept", "good") if one.kept else pill(phrases.readable(one.reason or "refused"), "bad"),
        verdict_pill(one),
        pill(alike, "busy") if alike else None,
    )
    return element(
        "button",
        frame,
        element("span", text, cls="marks"),
        type="button",
        cls="tile-image",
        data_image=one.id,
        aria_pressed="true" if selected else "false",
    )


def verdict_pill(one: GalleryImage) -> Html | None:
    """What a person made of the image; nothing without a review."""
    verdict = one.review.verdict if one.review else None
    return None if verdict is None else pill(verdict, "good" if verdict == "accepted" else "bad")


def overlay(one: GalleryImage) -> Html | None:
    """The labels as boxes over the whole image, each with its class as a tooltip."""
    if not one.labels:
        return None
    boxes = []
    for label in one.labels:
        x, y, width, height = label.box
        given = {"x": x - width / 2, "y": y - height / 2, "width": width, "height": height}
        written = {name: f"{value:.4f}" for name, value in given.items()}
        boxes.append(element("rect", element("title", phrases.readable(label.class_name)), **written))
    drawn = f"{quantity(len(boxes), 'label')} of the image"
    return element(
        "svg",
        *boxes,
        cls="boxes",
        viewBox="0 0 1 1",
        preserveAspectRatio="none",
        role="img",
        aria_label=drawn,
    )


def _ratio(one: GalleryImage) -> str | None:
    return f"aspect-ratio: {one.width} / {one.height}" if one.width and one.height else None


def whole_image(one: GalleryImage, campaign: str, *, boxes: bool) -> Html:
    """One image in its views side by side, and how it was made."""
    views = []
    for name, text in VIEWS.items():
        if getattr(one, name):
            drawn = overlay(one) if boxes and name == "full" else None
            source = image(f"/campaign-images/{campaign}/{one.id}/{name}", f"{text}: image {one.name}")
            frame = element("span", source, drawn, cls="frame", style=_ratio(one))
            views.append(element("figure", frame, element("figcaption", text)))
    if not one.kept and one.thumbnail:
        source = image(thumbnail_address(campaign, one.id), f"refused image {one.name}")
        caption = element("figcaption", "as it was judged, small; the box is where it was planned")
        views.append(element("figure", element("span", source, cls="frame"), caption, cls="small"))
    if not views:
        gone = "The campaign's folder has no files of this image any more."
        views.append(element("p", gone if one.kept else "This refused image has no picture.", cls="empty"))
    hazards = (_hazard(hazard) for hazard in one.hazards)
    return join(element("div", *views, cls="views"), _alike(one, campaign), facts(_known(one)), *hazards)


def _hazard(made: GeneratedHazard) -> Html:
    """From what one hazard was generated, and its scores."""
    known = {
        "prompt": made.prompt,
        "seed": str(made.seed),
        "steps": made.steps,
        "guidance": made.guidance,
        "sampler": made.sampler,
        "scores": scores_text(made.scores),
    }
    written = {name: phrases.MISSING if value in (None, "") else str(value) for name, value in known.items()}
    return join(element("h3", f"Hazard: {phrases.readable(made.class_name)}"), facts(written))


def _alike(one: GalleryImage, campaign: str) -> Html | None:
    """The near duplicates of an image, beside it."""
    if not one.near_duplicates:
        return None
    shown = (
        element("figure", image(thumbnail_address(campaign, other), f"near duplicate {other}"))
        for other in one.near_duplicates
    )
    title = quantity(len(one.near_duplicates), "near duplicate")
    return join(element("h3", title), element("div", *shown, cls="thumbnails"))


def _known(one: GalleryImage) -> dict[str, Html | str]:
    labels = ", ".join(phrases.readable(label.class_name) for label in one.labels)
    review = phrases.MISSING
    if one.review and one.review.verdict:
        left_out = ", left out of the training" if one.review.left_out else ""
        review = f"{one.review.verdict} by {one.review.by}{left_out}"
    scalars = {
        phrases.readable(name): str(value)[:400]
        for name, value in one.provenance.items()
        if isinstance(value, str | int | float) and name not in _OF_HAZARDS
    }
    return {
        "image": one.name,
        "failure mode": mode_text(one.mode),
        "result": "kept" if one.kept else f"refused: {phrases.readable(one.reason)}",
        "review": review,
        "labels": labels or "none",
        **dict(list(scalars.items())[:SCALARS_SHOWN]),
    }
