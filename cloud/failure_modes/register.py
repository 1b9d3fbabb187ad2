"""The register of failure modes: computed from the store's reports by `cloud.failure_modes.rules`.

It recomputes modes from counts of evidence and stores their status: in campaign, closed, waiting, reopened.
It never starts a campaign.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Sequence, Set
from dataclasses import dataclass, replace

from cloud.errors import NotKnown, NotNow
from cloud.failure_modes.estimated_recall import RecallEstimate, estimate_recall
from cloud.failure_modes.prototypes import FleetPrototype, fleet_prototypes, nearest_class
from cloud.failure_modes.rules import (
    MIN_SUPPORTED_TRACKS,
    TRAINABLE_KINDS,
    FailureMode,
    ModeKey,
    closing_verdict,
    find_failure_modes,
    misdetection_rate,
    next_status,
    recall_of,
    unobserved_mode,
)
from cloud.failure_modes.site_shares import site_shares
from cloud.failure_modes.snapshots import ModeSnapshot, ModeSnapshots
from cloud.failure_modes.status_reasons import campaign_began, campaign_ended, closing_reason
from cloud.settings import FailureModeSettings
from cloud.store.mode_store import ModeStore
from cloud.store.records import Campaign, CampaignState, ModeChange, ModeState, ModeStatus
from cloud.store.release_store import ReleaseStore
from cloud.store.report_records import MisdetectionRow, SiteHeartbeat
from cloud.store.report_store import ReportStore
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.reports import SwapOutcome
from messaging.taxonomy import Taxonomy

SNAPSHOT_S = 1.0
_DAY_S = 86_400


@dataclass(frozen=True)
class ModeAssessment:
    """Result of the closing rule for one mode and a set of models."""

    status: ModeStatus
    recall: RecallEstimate
    rate: float | None
    baseline_rate: float | None
    target: float

    @property
    def reason(self) -> str:
        """What decided, as a sentence."""
        return closing_reason(
            self.status,
            self.recall,
            target=self.target,
            rate=self.rate,
            baseline_rate=self.baseline_rate,
        )


class ModeRegister:
    """Failure modes of the fleet. Safe to use from several threads."""

    def __init__(
        self,
        reports: ReportStore,
        modes: ModeStore,
        releases: ReleaseStore,
        settings: FailureModeSettings,
        taxonomy: Callable[[], Taxonomy],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reports, self._modes, self._releases = reports, modes, releases
        self._settings, self._taxonomy, self._clock = settings, taxonomy, clock
        self._snapshots = ModeSnapshots(self._compute, modes.states)

    @property
    def taxonomy(self) -> Taxonomy:
        """The hazard classes of the deployment, as they are now."""
        return self._taxonomy()

    # -- reading -------------------------------------------------------------------------------------

    def snapshot(self, *, max_age_s: float = SNAPSHOT_S) -> ModeSnapshot:
        """All modes ranked by harm, at most `max_age_s` old (see `cloud.failure_modes.snapshots`)."""
        return self._snapshots.get(max_age_s=max_age_s)

    def misdetections(self, *, since_utc: int) -> list[MisdetectionRow]:
        """The evidence since a minute, one by one."""
        return self._reports.misdetections(since_utc=since_utc)

    def modes(self) -> list[FailureMode]:
        """All modes ranked by harm."""
        return list(self.snapshot().modes)

    def mode(self, mode: str) -> FailureMode:
        """One mode by its id. Raises `NotKnown`."""
        for found in self.snapshot().modes:
            if found.key.id == mode:
                return found
        raise NotKnown(f"failure mode {mode[:80]!r} is not known; `blindspot failures list` shows them")

    def mode_to_generate(self, mode: str) -> FailureMode:
        """The same, or a mode without evidence, for a cold start. Raises `ConfigurationError`."""
        found = next((one for one in self.snapshot().modes if one.key.id == mode), None)
        if found is not None:
            return found
        state = self._modes.states().get(mode) or ModeState(mode, ModeStatus.OPEN, self._now())
        return unobserved_mode(ModeKey.parse(mode), self.taxonomy, state)

    def changes(self, mode: str | None = None) -> list[ModeChange]:
        """Changes of the status of a mode, or of all modes, oldest first."""
        return self._modes.changes(mode)

    def target(self, mode: FailureMode) -> float:
        """The recall that the lower bound of the mode's estimated recall must exceed to close it."""
        return self._settings.target(_class_of(mode.key, mode.state))

    def in_service(self) -> frozenset[str]:
        """Digests that sites run by their last heartbeats and the receipts of their last orders since then.

        Without any, the newest service release.
        """
        return self._running()[1]

    def _running(self) -> tuple[list[SiteHeartbeat], frozenset[str]]:
        orders, swaps = self._releases.last_orders(), self._reports.swaps_since_heartbeat()
        heartbeats = self._reports.heartbeats()  # read last: receipts that are older than these do not count
        sent_at = {beat.site: beat.sent_at for beat in heartbeats}
        running = {beat.site: beat.heartbeat.model_digest for beat in heartbeats}
        for swap in swaps:
            if swap.site not in sent_at or swap.at_utc < sent_at[swap.site] or swap.site not in orders:
                continue
            if swap.sequence == orders[swap.site].sequence:
                if swap.outcome is SwapOutcome.INSTALLED:
                    running[swap.site] = swap.digest
                elif swap.outcome is SwapOutcome.ROLLED_BACK:
                    running[swap.site] = swap.previous_digest
        found = frozenset(digest for digest in running.values() if digest)
        latest = self._releases.current_service()
        return heartbeats, found or frozenset([latest.digest] if latest else [])

    def main_model(self) -> str | None:
        """Digest of the newest service release; without one, of the model that most sites run; else None."""
        latest = self._releases.current_service()
        if latest is not None:
            return latest.digest
        running = Counter(h.heartbeat.model_digest for h in self._reports.heartbeats())
        return next((digest for digest, _ in running.most_common() if digest), None)

    def detected_classes(self, model: str | None) -> tuple[str, ...]:
        """Names of the classes of a released model; empty for one that this cloud did not release."""
        found = next((one for one in self._releases.releases() if one.digest == model), None)
        return tuple(found.description.get("class_names", ())) if found else ()

    def prototypes(self) -> list[FleetPrototype]:
        """Fleet prototypes in the embedding of the newest service release, else of the newest prototype."""
        rows = self._reports.prototypes()
        latest = self._releases.current_service()
        described = latest.description if latest else {}
        digest, width = described.get("embedding_digest"), described.get("embedding_width")
        if digest is None and rows:
            digest = rows[-1].embedding_digest
        return fleet_prototypes(rows, digest, width=width) if digest else []

    def prototype_for(self, mode: FailureMode) -> FleetPrototype | None:
        """The prototype of the mode's class (or the one assigned to it) and condition; None without one."""
        wanted = (_class_of(mode.key, mode.state), mode.key.condition)
        return next((p for p in self.prototypes() if (p.class_name, p.condition) == wanted), None)

    def suggested_class(self, mode: FailureMode) -> str | None:
        """For a mode of unknown class: the class of the nearest prototype (`nearest_class`), else None."""
        if mode.key.class_name != UNKNOWN_CLASS:
            return None
        suggested = self.snapshot().suggested
        return suggested[mode.key.id] if mode.key.id in suggested else _suggested(mode, self.prototypes())

    def assess(self, mode: str, models: Set[str] | None = None) -> ModeAssessment:
        """Apply the closing rule to a mode for these models (default: those in service)."""
        state = self._modes.states().get(mode)
        return self._assess(mode, state, self.snapshot(max_age_s=0.0), models)

    def _assess(
        self, mode: str, state: ModeState | None, snapshot: ModeSnapshot, models: Set[str] | None = None
    ) -> ModeAssessment:
        key = ModeKey.parse(mode)
        counted = snapshot.in_service if models is None else models
        recall = recall_of(snapshot.recall, key, counted)
        rate = misdetection_rate(snapshot.rows, key, counted, recall)
        baseline = state.baseline_rate if state else None
        target = self._settings.target(_class_of(key, state))
        verdict = closing_verdict(recall, target=target, rate=rate, baseline_rate=baseline)
        return ModeAssessment(verdict, recall, rate, baseline, target)

    # -- changing status -----------------------------------------------------------------------------

    def refresh(self) -> list[ModeState]:
        """Apply the closing rule to every mode outside a campaign; returns the changed states.

        A mode that a campaign for another mode has improved is closed as well. The snapshot may be older than
        the end of a campaign: a mode whose state changed since then waits for the next one.
        """
        snapshot = self.snapshot(max_age_s=0.0)
        changed = []
        for mode in {m.key.id for m in snapshot.modes} | snapshot.states.keys():
            stored = snapshot.states.get(mode)
            state = stored or self._found(mode, snapshot)
            if state.baseline_rate is None:
                continue
            assessed = self._assess(mode, state, snapshot)
            status = next_status(state.status, assessed.status)
            if status is state.status:
                continue
            moved = replace(state, status=status, since=self._now())
            if self._modes.replace(stored, moved, assessed.reason):
                self._snapshots.changed(moved)
                changed.append(moved)
        return changed

    def mark_in_campaign(self, campaign: Campaign) -> None:
        """Set the campaign's modes to IN_CAMPAIGN; repeating it changes nothing.

        The baseline rate, which must halve, is kept from when the mode was found, so that improvements by
        several campaigns, or by a campaign for another mode, count together.
        """
        snapshot = self.snapshot(max_age_s=0.0)
        states = self._modes.states()
        for mode in campaign.plan.modes:
            known = states.get(mode) or self._found(mode, snapshot)
            if known.campaign == campaign.id and known.status is ModeStatus.IN_CAMPAIGN:
                continue
            if known.baseline_rate is None:
                known = self._with_rate_of(known, campaign.plan.incumbent_digest, snapshot)
            moved = replace(known, status=ModeStatus.IN_CAMPAIGN, since=self._now(), campaign=campaign.id)
            self._put(moved, campaign_began(campaign))

    def _found(self, mode: str, snapshot: ModeSnapshot) -> ModeState:
        """The state of a mode that is not stored yet: open, with the rate of the model that erred first.

        There is no baseline rate while that model is in service, with too few supported tracks, and for
        false alarms and poor boxes, which recall does not measure.
        """
        found = next((m for m in snapshot.modes if m.key.id == mode), None)
        if found is None:
            return ModeState(mode, ModeStatus.OPEN, self._now())
        first = found.first_model
        if found.key.kind not in TRAINABLE_KINDS or first in snapshot.in_service:
            return found.state
        recall = recall_of(snapshot.recall, found.key, {first})
        if recall.supported_in_service < MIN_SUPPORTED_TRACKS:
            return found.state
        return self._with_rate_of(found.state, first, snapshot)

    def _with_rate_of(self, state: ModeState, model: str | None, snapshot: ModeSnapshot) -> ModeState:
        key = ModeKey.parse(state.mode)
        models = frozenset([model]) if model else snapshot.in_service
        rate = misdetection_rate(snapshot.rows, key, models, recall_of(snapshot.recall, key, models))
        return replace(state, baseline_digest=model, baseline_rate=rate)

    def set_status(self, mode: str, status: ModeStatus, reason: str) -> None:
        """Store the status that a campaign's verify stage found, and why, as a sentence."""
        state = self._modes.states().get(mode) or ModeState(mode, status, self._now())
        self._put(replace(state, status=status, since=self._now()), reason)

    def campaign_ended(self, campaign: Campaign) -> None:
        """Set modes still in this campaign to WAITING (for tracks) if it is done, else to OPEN."""
        after = ModeStatus.WAITING if campaign.state is CampaignState.DONE else ModeStatus.OPEN
        for state in self._modes.states().values():
            if state.campaign == campaign.id and state.status is ModeStatus.IN_CAMPAIGN:
                self._put(replace(state, status=after, since=self._now()), campaign_ended(campaign))

    def assign(self, mode: str, class_name: str) -> FailureMode:
        """Assign a hazard class to a mode of unknown class, for an operator. Raises `NotKnown`, `NotNow`."""
        found = self.mode(mode)
        if found.key.class_name != UNKNOWN_CLASS:
            raise NotNow(f"failure mode {mode} has a class already; only those of unknown class are assigned")
        self.taxonomy.index(class_name)
        state = self._modes.states().get(mode) or found.state
        self._put(replace(state, assigned_class=class_name), f"class {class_name} was assigned")
        return self.mode(mode)

    def _put(self, state: ModeState, reason: str) -> ModeState:
        self._modes.put(state, reason)
        self._snapshots.changed(state)
        return state

    def _now(self) -> int:
        return int(self._clock())

    def _compute(self) -> ModeSnapshot:
        states = self._modes.states()
        since = self._now() - self._settings.window_days * _DAY_S
        rows = tuple(self._reports.lists.evidence(since_utc=since))
        counts = self._reports.recall_counts(since_utc=since)
        heartbeats, in_service = self._running()
        reporting = [beat.site for beat in heartbeats]
        shares = site_shares(self._reports.sites(), reporting, self._settings, now_utc=self._now())
        recall = estimate_recall(counts, self._reports.shadow_reports(), shares)
        modes = find_failure_modes(
            rows,
            recall,
            taxonomy=self.taxonomy,
            in_service=in_service,
            states=states,
            shares=shares,
        )
        unknown = [mode for mode in modes if mode.key.class_name == UNKNOWN_CLASS]
        prototypes = self.prototypes() if unknown else []
        suggested = {mode.key.id: _suggested(mode, prototypes) for mode in unknown}
        return ModeSnapshot(tuple(modes), rows, recall, in_service, suggested, states, shares)


def _suggested(mode: FailureMode, prototypes: Sequence[FleetPrototype]) -> str | None:
    condition = mode.key.condition
    unknown = [p for p in prototypes if (p.class_name, p.condition) == (UNKNOWN_CLASS, condition)]
    return nearest_class(unknown[0], prototypes) if unknown else None


def open_modes(modes: Iterable[FailureMode]) -> list[FailureMode]:
    """Modes that are open or reopened."""
    return [m for m in modes if m.state.status in (ModeStatus.OPEN, ModeStatus.REOPENED)]


def open_modes_by_site(modes: Iterable[FailureMode], sites: Collection[str]) -> Counter[str]:
    """How many of the modes are open at each of these sites."""
    wanted = frozenset(sites)
    return Counter(site for mode in open_modes(modes) for site in wanted.intersection(mode.sites))


def campaign_candidates(modes: Iterable[FailureMode], classes: Container[str]) -> list[FailureMode]:
    """Open modes that training on synthetic images can improve; campaigns take the first by default.

    Only modes of the deployment's `classes` (`unknown` is none of them; an old report may name others).
    Those that one site alone reports come last where sites are limited (`site_shares`); before them, those
    with enough supported tracks for the closing rule come first; otherwise the order is kept.
    """
    candidates = [
        m for m in open_modes(modes) if m.key.class_name in classes and m.key.kind in TRAINABLE_KINDS
    ]

    def rank(mode: FailureMode) -> tuple[bool, bool]:
        alone = len(mode.sites) < 2 and mode.images_fraction < 1.0
        return alone, mode.recall.supported < MIN_SUPPORTED_TRACKS

    return sorted(candidates, key=rank)


def _class_of(key: ModeKey, state: ModeState | None) -> str:
    """The class that an operator has assigned to a mode, else its own."""
    return state.assigned_class if state and state.assigned_class else key.class_name
