"""Names and states of failure modes and campaigns as text, with the tone of each state. Pure."""

from collections.abc import Iterable, Mapping

from dashboards import phrases
from dashboards.components.pills import pill
from dashboards.markup import Html
from messaging.resources import FailureModeResource

MODE_TONES: Mapping[str, str] = {
    "open": "bad", "reopened": "bad", "in_campaign": "busy", "waiting": "busy", "closed": "good",
}  # fmt: skip
CAMPAIGN_TONES: Mapping[str, str] = {
    "running": "busy", "queued": "busy", "awaiting_approval": "busy", "cancelling": "busy",
    "done": "good", "failed": "bad", "rejected": "bad", "cancelled": "plain",
}  # fmt: skip
UNKNOWN = "unknown"


def mode_name(mode: FailureModeResource) -> str:
    """`fallen person missed (night, rain)`, by the class that was assigned, if one was."""
    return _text(mode.assigned_class or mode.class_name, mode.condition, mode.kind)


def mode_text(mode: str) -> str:
    """`pothole.night-rain.missed` as `pothole missed (night, rain)`."""
    name, _, rest = mode.partition(".")
    condition, _, kind = rest.partition(".")
    return _text(name, condition, kind)


def mode_texts(modes: Iterable[str]) -> str:
    """The same of several, with commas."""
    return ", ".join(mode_text(mode) for mode in modes)


def mode_status(status: str) -> Html:
    """The status of a failure mode as a label."""
    return pill(phrases.readable(status), MODE_TONES.get(status, "plain"))


def campaign_state(state: str) -> Html:
    """The state of a campaign as a label."""
    return pill(phrases.readable(state), CAMPAIGN_TONES.get(state, "plain"))


def sources_text(sources: Mapping[str, int]) -> str:
    """`teacher 12, track gap 3`, the most frequent first."""
    ranked = sorted(sources.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{phrases.readable(name)} {n:,}" for name, n in ranked) or phrases.MISSING


def _text(class_name: str, condition: str, kind: str) -> str:
    return f"{phrases.readable(class_name)} {phrases.readable(kind)} ({phrases.condition(condition)})"
