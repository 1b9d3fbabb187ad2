"""The log of a campaign's stages. Pure."""

from collections.abc import Mapping

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.pills import pill
from dashboards.markup import Html, element, number, row, table
from messaging.resources import CampaignResource, StageResource

STAGE_TONES: Mapping[str, str] = {
    "done": "good", "running": "busy", "failed": "bad", "stopped": "bad", "cancelled": "plain",
}  # fmt: skip


def log(campaign: CampaignResource, now: float) -> Html:
    """The stages that have begun, in their order: when, for how long, how often, and what they noted."""
    begun = [stage for stage in campaign.stages if stage.started_at is not None]
    if not begun:
        sentence = "No stage has begun yet. This command waits for the first:"
        return Empty(sentence, command=f"blindspot campaign watch {campaign.id}").markup()
    headers = ("stage", "state", "began", "#took", "#runs", "note")
    return table(headers, [_line(stage, now) for stage in begun])


def _line(stage: StageResource, now: float) -> Html:
    began = float(stage.started_at or 0)
    took = (stage.ended_at or now) - began
    return row(
        phrases.readable(stage.stage),
        element("td", pill(phrases.readable(stage.state), STAGE_TONES.get(stage.state, "plain"))),
        phrases.ago(began, now),
        number(phrases.duration(max(took, 0.0))),
        number(f"{stage.runs:,}"),
        stage.note or phrases.MISSING,
        name=stage.stage,
    )
