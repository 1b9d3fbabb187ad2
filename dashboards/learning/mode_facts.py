"""One failure mode: its numbers, the reason of its status, the campaigns against it. Pure."""

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.components.pills import recall_bar
from dashboards.components.section import facts
from dashboards.learning.mode_names import UNKNOWN, campaign_state, mode_status, sources_text
from dashboards.markup import Html, element, join, row, table, with_commas
from dashboards.scope import Scope
from messaging.api.mode_history import CampaignMark, ModeHistoryResource, StatusChange
from messaging.resources import FailureModeResource

NAMES_SHOWN = 40


def mode_facts(mode: FailureModeResource, history: ModeHistoryResource, scope: Scope, now: float) -> Html:
    """Status with its reason, estimated recall, harm, evidence, places."""
    known = {
        "status": join(mode_status(mode.status), " ", element("span", status_reason(mode, history, now))),
        "estimated recall": recall_bar(mode.recall, mode.target),
        "target": f"a lower bound above {phrases.percent(mode.target)} closes the failure mode",
        "harm": f"{mode.harm:,.1f} (severity {mode.severity}, {mode.frequency_per_hour:.2f} an hour)",
        "misdetections": f"{mode.count:,}, of models in service {mode.count_in_service:,}",
        "evidence sources": sources_text(mode.sources),
        "seen": f"first {phrases.ago(mode.first_seen_utc, now)}, last {phrases.ago(mode.last_seen_utc, now)}",
        "sites": _site_links(mode, scope),
        "cameras": _camera_links(mode, scope),
    }
    if mode.class_name == UNKNOWN:
        known["assigned class"] = phrases.readable(mode.assigned_class or "none yet")
        if mode.suggested_class and not mode.assigned_class:
            known["suggested class"] = phrases.readable(mode.suggested_class)
    return facts(known)


def status_reason(mode: FailureModeResource, history: ModeHistoryResource, now: float) -> str:
    """Why it has its status, and since when."""
    since = f"since {phrases.ago(mode.status_since, now).removesuffix(' ago')}"
    last = history.changes[-1] if history.changes else None
    if last is None or last.status != mode.status or not last.reason:
        return since
    return f"{since}: {last.reason}"


def _site_links(mode: FailureModeResource, scope: Scope) -> Html:
    shown = mode.sites[:NAMES_SHOWN]
    links = (element("a", site, href=scope.link("sites", site)) for site in shown)
    return join(with_commas(links), _rest(mode.site_count, len(shown)))


def _camera_links(mode: FailureModeResource, scope: Scope) -> Html:
    shown = mode.cameras[:NAMES_SHOWN]
    links = (element("a", name, href=scope.link("cameras", *name.split("/", 1))) for name in shown)
    return join(with_commas(links), _rest(mode.camera_count, len(shown)))


def _rest(whole: int, shown: int) -> str:
    return f" and {whole - shown:,} more" if whole > shown else ""


def campaigns_table(history: ModeHistoryResource, scope: Scope, now: float) -> Html:
    """The campaigns against the failure mode, numbered as their marks in the chart."""
    if not history.campaigns:
        sentence = "No campaign was against this failure mode yet. This command starts one:"
        return Empty(sentence, command=f"blindspot campaign start {history.id}").markup()
    numbered = tuple(enumerate(history.campaigns, 1))
    rows = [_campaign(number, mark, scope, now) for number, mark in reversed(numbered)]
    return table(("mark", "campaign", "state", "started", "ended", "result"), rows)


def _campaign(number: int, mark: CampaignMark, scope: Scope, now: float) -> Html:
    return row(
        f"{number}",
        element("td", element("a", mark.campaign, href=scope.link("campaigns", mark.campaign))),
        element("td", campaign_state(mark.state)),
        phrases.ago(mark.started_at, now),
        phrases.ago(mark.ended_at, now) if mark.ended_at else phrases.MISSING,
        mark.reason or phrases.MISSING,
        name=mark.campaign,
    )


def changes_table(history: ModeHistoryResource, now: float) -> Html:
    """The changes of its status, the latest first, each with its reason."""
    if not history.changes:
        sentence = "The status has not changed since the first misdetection. This command shows each day:"
        return Empty(sentence, command=f"blindspot failures history {history.id}").markup()
    return table(("when", "status", "reason"), [_change(one, now) for one in reversed(history.changes)])


def _change(change: StatusChange, now: float) -> Html:
    return row(
        phrases.ago(change.at, now),
        element("td", mode_status(change.status)),
        change.reason or phrases.MISSING,
    )
