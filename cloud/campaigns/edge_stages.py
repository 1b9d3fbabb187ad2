"""The stages that depend on the sites: shadow, service, roll out, verify.

They send orders through the rollout driver and poll the store for reports until a deadline that a restart of
the cloud does not extend.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cloud.campaigns.model_stages import incumbent_of, targets, verdict_metrics
from cloud.campaigns.outputs import RollOutOutput, ServiceOutput, ShadowOutput, TrialOutput, VerifyOutput
from cloud.campaigns.shadow_rows import camera_hours, shadow_condition, shadow_rows
from cloud.campaigns.stage import StageResult, StageWork
from cloud.errors import StageInterrupted
from cloud.evaluation.promotion import Outcome, PromotionVerdict, Target, service_verdict
from cloud.failure_modes.register import ModeAssessment, ModeRegister
from cloud.failure_modes.rules import MIN_SUPPORTED_TRACKS, ModeKey
from cloud.fleet.publisher import Publisher
from cloud.fleet.release_register import record_release
from cloud.fleet.rollout_driver import RolloutDriver
from cloud.fleet.rollout_state import FINAL, RolloutPhase, RolloutState, SiteState
from cloud.settings import CampaignSettings, PromotionSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import CampaignState, ModeStatus, Rollout
from cloud.store.release_store import ReleaseStore
from cloud.store.report_store import ReportStore
from messaging.releases import Channel
from messaging.reports import ShadowReport
from messaging.resources import RecallResource


@dataclass(frozen=True)
class EdgeStages:
    """Shadow, service, roll out and verify; shadow runs take place at `canary_sites` sites."""

    settings: CampaignSettings
    promotion: PromotionSettings
    canary_sites: int
    register: ModeRegister
    reports: ReportStore
    store: CampaignStore
    releases: ReleaseStore
    publisher: Publisher
    rollouts: RolloutDriver

    def shadow(self, work: StageWork) -> StageResult:
        """Run the candidate beside the incumbent at the canary sites until the verdict is clear.

        The shadow runs end with the stage unless the candidate passes or the cloud is only restarted.
        """
        campaign, wanted = work.campaign, {target.condition for target in targets(work)}
        rollout = self.rollouts.begin(
            f"{campaign.id}-trial-{campaign.attempt}",
            work.output(TrialOutput).digest,
            Channel.TRIAL,
            previous=None,
            sites=self.rollouts.canaries_first(self.rollouts.sites(), wanted)[: self.canary_sites],
            campaign=campaign.id,
            by=f"campaign {campaign.id}",
        )
        keep_running = False
        try:
            result = self._watch_shadow(work, rollout)
            keep_running = result.stop is None
            return result
        except StageInterrupted:
            keep_running = self.store.get(campaign.id).state is CampaignState.RUNNING
            raise
        finally:
            if not keep_running:
                self._end_shadow(work, [site.site for site in RolloutState.from_json(rollout.state).sites])

    def _watch_shadow(self, work: StageWork, rollout: Rollout) -> StageResult:
        wanted, new = targets(work), self._new_classes(work)
        runs: dict[str, ShadowReport] = {}
        verdict = service_verdict([], wanted, self.promotion, new)
        for over in work.polls(self.settings.poll_s, self.settings.shadow_deadline_s):
            rollout = self.rollouts.step(rollout.id)
            if rollout.phase in (RolloutPhase.HALTED, RolloutPhase.ROLLED_BACK):
                return StageResult(stop=f"the shadow run halted: {rollout.reason}")
            runs = self._latest_runs(work)
            verdict = service_verdict(runs.values(), wanted, self.promotion, new)
            tracks = min((_supported(runs.values(), target) for target in wanted), default=0)
            work.progress(_of_needed(tracks), f"{tracks} tracks of the target; {verdict.outcome}")
            hours = camera_hours(runs, self.reports.swaps(), self.reports.heartbeats(runs))
            self.store.put_evaluations(shadow_rows(work.campaign.id, runs, hours))
            if verdict.outcome is not Outcome.WAIT or over:
                break
        frames = sum(run.frames for run in runs.values())
        metrics = {**verdict_metrics(verdict), "frames": frames}
        return StageResult(ShadowOutput(reports=runs), metrics, _why_not(verdict))

    def service(self, work: StageWork) -> StageResult:
        """The second verdict, on the shadow reports; signs the candidate for service."""
        runs = work.output(ShadowOutput).reports
        verdict = service_verdict(runs.values(), targets(work), self.promotion, self._new_classes(work))
        if not verdict.passed:
            self._end_shadow(work, list(runs))
            return StageResult(metrics=verdict_metrics(verdict), stop=_why_not(verdict))
        manifest = self.publisher.promote(work.output(TrialOutput).digest, campaign=work.campaign.id)
        record_release(
            self.releases,
            manifest,
            self.releases.release(manifest.digest).description,
            campaign=work.campaign.id,
            signed_at=self.store.now(),
        )
        return StageResult(ServiceOutput(digest=manifest.digest), verdict_metrics(verdict))

    def roll_out(self, work: StageWork) -> StageResult:
        """All groups in turn; a rollout that halts or is rolled back ends the campaign."""
        digest, name = work.output(ServiceOutput).digest, f"{work.campaign.id}-service"
        rollout = self.rollouts.begin(
            name,
            digest,
            Channel.SERVICE,
            previous=incumbent_of(work),
            sites=self.rollouts.sites(),
            campaign=work.campaign.id,
            conditions={target.condition for target in targets(work)},
            by=f"campaign {work.campaign.id}",
        )
        states = _site_states(rollout)
        for _ in work.polls(self.settings.poll_s, None):
            rollout = self.rollouts.step(name)
            states = _site_states(rollout)
            running, total = states.get(SiteState.RUNNING, 0), max(sum(states.values()), 1)
            work.progress(running / total, f"{rollout.phase}: {running} of {total} sites run it")
            if rollout.phase in FINAL:
                break
        lost = sum(row.frames_lost for row in self.reports.swaps() if row.digest == digest)
        done = rollout.phase == RolloutPhase.DONE
        return StageResult(
            RollOutOutput(digest=digest, rollout=name),
            {"phase": rollout.phase, "sites": states, "frames_lost": lost},
            None if done else f"the rollout was {rollout.phase}: {rollout.reason}",
        )

    def verify(self, work: StageWork) -> StageResult:
        """Wait until the sites' reports close the failure modes, or until the deadline.

        A mode of a new class is not waited for: nobody has seen it yet, and it may not appear for months.
        """
        new = self._new_classes(work)
        model = frozenset([work.output(RollOutOutput).digest])
        modes = work.campaign.plan.modes
        found: dict[str, ModeAssessment] = {}
        for over in work.polls(self.settings.poll_s, self.settings.verify_deadline_s):
            found = {mode: self.register.assess(mode, model) for mode in modes}
            tracks = min(assessed.recall.supported for assessed in found.values())
            closed = sum(assessed.status is ModeStatus.CLOSED for assessed in found.values())
            work.progress(_of_needed(tracks), f"{closed} of {len(modes)} closed, {tracks} tracks")
            open_modes = [mode for mode, one in found.items() if not _settled(one)]
            if over or all(ModeKey.parse(mode).class_name in new for mode in open_modes):
                break
        for mode, assessed in found.items():
            reopened = assessed.status is ModeStatus.OPEN
            status = ModeStatus.REOPENED if reopened else assessed.status
            self.register.set_status(mode, status, assessed.reason)
        return StageResult(
            VerifyOutput(closed=tuple(m for m, a in found.items() if a.status is ModeStatus.CLOSED)),
            {mode: _assessment(assessed) for mode, assessed in found.items()},
        )

    def _new_classes(self, work: StageWork) -> frozenset[str]:
        """Classes of the candidate that the incumbent lacks."""
        before, after = (
            self.releases.release(digest).description
            for digest in (incumbent_of(work), work.output(TrialOutput).digest)
        )
        return frozenset(after["class_names"]) - frozenset(before["class_names"])

    def _latest_runs(self, work: StageWork) -> dict[str, ShadowReport]:
        """The latest report of each site about this pair of models; counts accumulate over a run."""
        return {
            shadow.site: shadow.report
            for shadow in self.reports.shadow_reports(work.output(TrialOutput).digest)
            if shadow.report.incumbent_digest == incumbent_of(work)
        }

    def _end_shadow(self, work: StageWork, sites: Iterable[str]) -> None:
        """End the shadow runs by ordering the model in service again."""
        for site in sites:
            self.rollouts.send_single(site, incumbent_of(work), Channel.SERVICE)


def _why_not(verdict: PromotionVerdict) -> str | None:
    if verdict.outcome is Outcome.PASS:
        return None
    reason = verdict.reason if verdict.outcome is Outcome.FAIL else f"deadline: {verdict.reason}"
    return f"not for service: {reason}"


def _of_needed(tracks: int) -> float:
    """Progress of a wait for tracks; 1 is left for the end of the stage."""
    return min(tracks / MIN_SUPPORTED_TRACKS, 0.99)


def _settled(assessed: ModeAssessment) -> bool:
    """Closed, or so far below the target that more tracks would not change it."""
    if assessed.status is ModeStatus.CLOSED:
        return True
    return assessed.status is ModeStatus.OPEN and assessed.recall.interval[1] < assessed.target


def _assessment(assessed: ModeAssessment) -> dict[str, Any]:
    return {
        "status": str(assessed.status),
        "recall": RecallResource.model_validate(assessed.recall).model_dump(),
        "target": assessed.target,
        "rate": assessed.rate,
        "baseline_rate": assessed.baseline_rate,
    }


def _supported(runs: Iterable[ShadowReport], target: Target) -> int:
    return sum(
        tally.supported
        for run in runs
        for tally in run.tallies
        if (tally.class_name, shadow_condition(tally)) == (target.class_name, target.condition)
    )


def _site_states(rollout: Rollout) -> dict[str, int]:
    states: dict[str, int] = {}
    for site in RolloutState.from_json(rollout.state).sites:
        states[str(site.state)] = states.get(str(site.state), 0) + 1
    return states
