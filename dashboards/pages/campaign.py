"""The newest campaign: its stages, what it does now, and the images that it paints."""

from dashboards import phrases
from dashboards.markup import Html, el, image, join
from dashboards.pages.sections import card, empty, pill
from dashboards.snapshot import Snapshot
from messaging.resources import CampaignResource, ImageResource, StageResource

KEPT_SHOWN = 21
REFUSED_SHOWN = 6
TONES = {
    "running": "busy", "queued": "busy", "awaiting_approval": "busy", "cancelling": "busy",
    "done": "good", "failed": "bad", "rejected": "bad", "cancelled": "plain",
}  # fmt: skip
MARKS = {"done": "done", "running": "now", "failed": "failed", "stopped": "stopped", "cancelled": "stopped"}


def section(seen: Snapshot) -> Html:
    """Title line, stage bar, what happens now, thumbnails."""
    campaign = seen.campaign
    if campaign is None:
        sentence = (
            "No campaign has run yet. `blindspot campaign start` takes up the most harmful failure mode."
        )
        return card("Campaign", empty(sentence), name="campaign")
    return card(
        "Campaign",
        _title(campaign),
        el("ol", *(_stage(stage) for stage in campaign.stages), cls="stages"),
        _now(campaign, seen.taken_at),
        _images(campaign, seen.images),
        aside=f"started {phrases.ago(campaign.created_at, seen.taken_at)} by {campaign.started_by}",
        name="campaign",
    )


def thumbnail_path(one: ImageResource, campaign: str) -> str:
    """Where this page's own server hands the thumbnail on."""
    return f"/thumbnails/{campaign}/{one.id}"


def _title(campaign: CampaignResource) -> Html:
    modes = ", ".join(_mode_words(mode) for mode in campaign.modes)
    return el(
        "p",
        pill(phrases.words(campaign.state), TONES.get(campaign.state, "plain")),
        " against ",
        el("b", modes),
    )


def _mode_words(mode: str) -> str:
    """`pothole.night-rain.missed` as `pothole missed (night, rain)`."""
    name, _, rest = mode.partition(".")
    condition, _, kind = rest.partition(".")
    return f"{phrases.words(name)} {phrases.words(kind)} ({phrases.condition(condition)})"


def _stage(stage: StageResource) -> Html:
    filled = 1.0 if stage.state == "done" else stage.progress
    return el(
        "li",
        el("i", el("u", style=f"width:{100 * filled:.0f}%"), cls="fill"),
        el("span", phrases.words(stage.stage)),
        cls=MARKS.get(stage.state, "pending"),
        title=stage.note or None,
        data_stage=stage.stage,
    )


def _now(campaign: CampaignResource, now: float) -> Html | None:
    """What runs, how far, how long yet; or how it ended."""
    running = next((stage for stage in campaign.stages if stage.state == "running"), None)
    if running is None:
        ended = (
            f"ended {phrases.ago(campaign.ended_at, now)}" if campaign.ended_at else "nothing runs just now"
        )
        return el("p", ": ".join(part for part in (ended, campaign.reason) if part), cls="now")
    left = running.seconds_left
    parts = (
        f"{100 * running.progress:.0f} %",
        f"about {phrases.lasting(left)} left" if left is not None else "",
        running.note,
    )
    said = " · ".join(part for part in parts if part)
    return el("p", el("b", phrases.words(running.stage)), f" {said}", cls="now")


def _images(campaign: CampaignResource, images: tuple[ImageResource, ...]) -> Html:
    if not images:
        return empty("No image has been painted. The synthesise stage brings them here one by one.")
    kept = [one for one in images if one.kept and one.thumbnail]
    refused = [one for one in images if not one.kept and one.thumbnail]
    return join(
        el(
            "div",
            _strip(f"{campaign.images_kept:,} kept", kept[-KEPT_SHOWN:], campaign.id),
            _strip(_refusals(campaign.images_refused), refused[-REFUSED_SHOWN:], campaign.id),
            cls="strips",
        )
    )


def _refusals(refused: dict[str, int]) -> str:
    ranked = sorted(refused.items(), key=lambda pair: (-pair[1], pair[0]))
    reasons = ", ".join(f"{phrases.words(reason)} {n:,}" for reason, n in ranked)
    return f"{sum(refused.values()):,} refused" + (f": {reasons}" if reasons else "")


def _strip(heading: str, images: list[ImageResource], campaign: str) -> Html:
    shown = (
        el(
            "figure",
            image(thumbnail_path(one, campaign), f"synthetic image {one.name}"),
            None if one.kept else el("figcaption", phrases.words(one.reason)),
            cls="kept" if one.kept else "refused",
        )
        for one in reversed(images)
    )
    return el("div", el("h3", heading), el("div", *shown, cls="thumbnails"), cls="strip")
