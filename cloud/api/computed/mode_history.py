"""The history of one failure mode: evidence and recall of each day, campaigns, changes, geometry."""

from cloud.api.access.caller import VisibleSites
from cloud.api.computed.trends import DAY_S
from cloud.api.services import Services
from cloud.failure_modes.estimated_recall import RecallEstimate, estimate_recall
from cloud.failure_modes.heat_map import COLUMNS, ROWS, heat_map
from cloud.failure_modes.rules import FailureMode, ModeKey, recall_of
from cloud.store.history.trend_store import Span
from cloud.store.lists.filters import MisdetectionFilter
from messaging.api.mode_history import (
    CampaignMark,
    EvidenceDay,
    HeatMap,
    ModeHistoryResource,
    RecallDay,
    StatusChange,
)
from messaging.resources import RecallResource

MAX_BOXES = 5_000
_MAX_CAMPAIGNS = 1000


def mode_history(
    services: Services, mode: FailureMode, days: int, visible: VisibleSites
) -> ModeHistoryResource:
    """The last `days` of a mode; evidence, recall and boxes are those of the visible sites."""
    now, key = int(services.clock()), mode.key
    span = Span(now - days * DAY_S, now + 1, DAY_S)
    store, shares = services.histories.evidence, services.register.snapshot().shares
    found = store.misdetections(span, key.class_name, key.condition, key.kind, visible)
    tallies = store.recall(span, key.class_name, key.condition, visible)
    return ModeHistoryResource(
        id=key.id,
        since=span.starts.start,
        until=now,
        target=services.register.target(mode),
        evidence=tuple(EvidenceDay(at=at, sources=sources) for at, sources in found.items()),
        recall=tuple(
            RecallDay(
                at=at, recall=_recall(recall_of(estimate_recall(counts, shares=shares), key, frozenset()))
            )
            for at, counts in tallies.items()
        ),
        campaigns=_marks(services, key),
        changes=tuple(StatusChange.model_validate(one) for one in services.register.changes(key.id)),
        heat_map=_heat_map(services, key, visible),
    )


def _recall(estimate: RecallEstimate) -> RecallResource:
    return RecallResource.model_validate(estimate)


def _marks(services: Services, key: ModeKey) -> tuple[CampaignMark, ...]:
    """The campaigns for a mode, oldest first."""
    every = services.campaign_rows.recent(limit=_MAX_CAMPAIGNS)
    return tuple(
        CampaignMark(
            campaign=one.id,
            started_at=one.created_at,
            ended_at=one.ended_at,
            state=one.state,
            reason=one.reason,
        )
        for one in reversed(every)
        if key.id in one.plan.modes
    )


def _heat_map(services: Services, key: ModeKey, visible: VisibleSites) -> HeatMap:
    wanted = MisdetectionFilter(class_name=key.class_name, condition=key.condition.key, kind=key.kind)
    rows = services.reports.lists.misdetections(wanted, visible, learned=True, limit=MAX_BOXES)
    return HeatMap(
        columns=COLUMNS,
        rows=ROWS,
        boxes=len(rows),
        values=tuple(tuple(round(float(v), 3) for v in line) for line in heat_map(rows)),
    )
