"""Rules that start campaigns automatically: a pure decision over evidence, earlier campaigns and the time.

A rule fires when failure modes have enough evidence from enough sites within its window, its cool-down is
over and its monthly budget is not spent. `Triggers` applies the rules to a running cloud and counts the
starts.
"""

import logging
import time
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

from cloud.campaigns.planning import plan_campaign
from cloud.campaigns.requirements import PlanRequirements, refuse_unmet
from cloud.campaigns.workflow import Campaigns
from cloud.errors import CampaignRefused
from cloud.failure_modes.register import ModeRegister, campaign_candidates
from cloud.failure_modes.rules import FailureMode, ModeKey
from cloud.metrics import CloudMetrics
from cloud.settings import SynthesisSettings, TriggerRule
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import Campaign
from cloud.store.report_records import MisdetectionRow
from messaging.resources import CampaignRequest

logger = logging.getLogger(__name__)

_RULE = "rule:"
_HOUR_S, _MONTH_S = 3600.0, 30 * 86_400.0
HISTORY = 1000


@dataclass(frozen=True)
class Firing:
    """A rule that fires, and for which failure modes."""

    rule: TriggerRule
    modes: tuple[str, ...]


def decide(
    rules: Sequence[TriggerRule],
    modes: Iterable[FailureMode],
    rows: Sequence[MisdetectionRow],
    history: Sequence[Campaign],
    *,
    classes: Container[str],
    now_utc: float,
) -> list[Firing]:
    """Which rules fire now. A mode goes to the first rule that fires for it; modes are ranked by harm."""
    candidates = campaign_candidates(modes, classes)
    firings: list[Firing] = []
    taken: set[str] = set()
    for rule in rules:
        if not _allowed(rule, history, now_utc):
            continue
        recent = [row for row in rows if row.minute_utc >= now_utc - rule.window_hours * _HOUR_S]
        wanted = [
            mode.key.id for mode in candidates if mode.key.id not in taken and _enough(rule, mode.key, recent)
        ][: rule.max_modes]
        if wanted:
            taken |= set(wanted)
            firings.append(Firing(rule, tuple(wanted)))
    return firings


def _allowed(rule: TriggerRule, history: Sequence[Campaign], now_utc: float) -> bool:
    """Whether the cool-down is over and budget is left."""
    ours = [campaign for campaign in history if campaign.started_by == started_by(rule)]
    month = [campaign for campaign in ours if campaign.created_at > now_utc - _MONTH_S]
    if len(month) >= rule.monthly_budget:
        return False
    if any(campaign.ended_at is None for campaign in ours):
        return False
    last = max((max(c.created_at, c.ended_at or 0) for c in ours), default=None)
    return last is None or now_utc - last >= rule.cool_down_hours * _HOUR_S


def _enough(rule: TriggerRule, key: ModeKey, recent: Sequence[MisdetectionRow]) -> bool:
    if rule.classes and key.class_name not in rule.classes:
        return False
    mine = [row for row in recent if ModeKey.of(row) == key]
    return len(mine) >= rule.min_count and len({row.site for row in mine}) >= rule.min_sites


def started_by(rule: TriggerRule) -> str:
    """The value of a campaign's `started_by` for this rule."""
    return f"{_RULE}{rule.name}"


def is_started_by_rule(value: str) -> bool:
    """Whether a campaign's `started_by` is that of a rule; no name of a person has the sign."""
    return value.startswith(_RULE)


@dataclass(frozen=True)
class Triggers:
    """Applies the rules to a running cloud."""

    rules: Sequence[TriggerRule]
    synthesis: SynthesisSettings
    register: ModeRegister
    store: CampaignStore
    campaigns: Campaigns
    requirements: PlanRequirements
    metrics: CloudMetrics
    clock: Callable[[], float] = time.time

    def apply(self) -> list[Campaign]:
        """Apply the rules once; returns the campaigns that were started."""
        if not self.rules:
            return []
        snapshot, now = self.register.snapshot(), self.clock()
        longest_s = max(rule.window_hours for rule in self.rules) * _HOUR_S
        firings = decide(
            self.rules,
            snapshot.modes,
            self.register.misdetections(since_utc=int(now - longest_s)),
            _history(self.store),
            classes=self.register.taxonomy.names,
            now_utc=now,
        )
        return [campaign for firing in firings for campaign in self._start(firing)]

    def _start(self, firing: Firing) -> list[Campaign]:
        request = CampaignRequest(modes=firing.modes)
        try:
            plan = plan_campaign(request, self.register, self.store, self.synthesis)
            refuse_unmet(self.requirements(plan))
            campaign = self.campaigns.start(
                plan, started_by=started_by(firing.rule), needs_approval=firing.rule.needs_approval
            )
        except CampaignRefused as error:
            logger.info("rule %s does not start: %s", firing.rule.name, error)
            return []
        self.metrics.trigger_starts.labels(rule=firing.rule.name).inc()
        logger.info("rule %s started campaign %s for %s", firing.rule.name, campaign.id, firing.modes)
        return [campaign]


def _history(store: CampaignStore) -> list[Campaign]:
    """The campaigns that count for cool-downs and budgets."""
    return store.recent(limit=HISTORY)
