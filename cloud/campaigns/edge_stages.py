"""The stages that rest on the edge's word: shadow, service, roll out, verify.

They send orders through the rollout driver and wait for reports, with a deadline; waiting is polling the
store, so a restart of the cloud goes on waiting where it was. Nothing here sees a frame.
"""

import time
from collections.abc import Iterator
from typing import Any

from cloud.campaigns.model_stages import incumbent_of, margins_of, remember_release, targets, verdict_figures
from cloud.campaigns.services import Parts
from cloud.campaigns.stage import StageResult, StageWork
from cloud.errors import StageInterrupted
from cloud.evaluation.promotion import Outcome, service_verdict
from cloud.failure_modes.register import ModeAssessment
from cloud.failure_modes.rules import MIN_SUPPORTED_TRACKS
from cloud.fleet.rollout import FINAL, RolloutPhase, RolloutState, SiteState
from cloud.store.records import CampaignStage, CampaignState, EvaluationRow, ModeStatus, Rollout
from messaging.releases import Channel
from messaging.reports import ShadowReport
from messaging.resources import RecallResource


def shadow(parts: Parts, work: StageWork) -> StageResult:
    """Run the candidate beside the incumbent at the canary sites until the verdict is clear.

    The runs end with the stage unless the candidate passes, or the cloud only goes down for a while.
    """
    candidate = work.output(CampaignStage.TRIAL, "digest")
    campaign = work.campaign
    rollout = parts.rollouts.begin(
        f"{campaign.id}-trial-{campaign.attempt}",
        candidate,
        Channel.TRIAL,
        previous=None,
        sites=parts.rollouts.sites()[: parts.settings.rollout.canary_sites],
        campaign=campaign.id,
    )
    runs_go_on = False
    try:
        result = _watch_shadow(parts, work, rollout, candidate)
        runs_go_on = result.stop is None
        return result
    except StageInterrupted:
        runs_go_on = parts.campaign_rows.get(campaign.id).state is CampaignState.RUNNING
        raise
    finally:
        if not runs_go_on:
            _back(parts, work, [site.site for site in RolloutState.from_json(rollout.state).sites])


def _watch_shadow(parts: Parts, work: StageWork, rollout: Rollout, candidate: str) -> StageResult:
    wanted = targets(parts, work)
    for over in _until(parts, work, parts.settings.campaign.shadow_deadline_s):
        rollout = parts.rollouts.step(rollout.id)
        if rollout.phase in (RolloutPhase.HALTED, RolloutPhase.ROLLED_BACK):
            return StageResult(stop=f"the shadow run halted: {rollout.reason}", output={}, figures={})
        runs = _latest_runs(parts, candidate, incumbent_of(work))
        verdict = service_verdict(runs.values(), wanted, margins_of(parts))
        tracks = min((_supported(runs, t.class_name, t.condition.key) for t in wanted), default=0)
        work.progress(
            min(tracks / MIN_SUPPORTED_TRACKS, 0.99), f"{tracks} tracks of the target; {verdict.outcome}"
        )
        _enter_shadow(parts, work, runs)
        if verdict.outcome is not Outcome.WAIT or over:
            break
    reports = {site: run.model_dump(mode="json") for site, run in runs.items()}
    figures = {**verdict_figures(verdict), "frames": sum(run.frames for run in runs.values())}
    if verdict.outcome is Outcome.PASS:
        return StageResult(output={"reports": reports}, figures=figures)
    why = verdict.reason if verdict.outcome is Outcome.FAIL else f"deadline: {verdict.reason}"
    return StageResult(output={"reports": reports}, figures=figures, stop=f"not for service: {why}")


def service(parts: Parts, work: StageWork) -> StageResult:
    """The second verdict, on what the shadow runs said; signs for service."""
    rows = work.output(CampaignStage.SHADOW, "reports")
    runs = [ShadowReport.model_validate(row) for row in rows.values()]
    verdict = service_verdict(runs, targets(parts, work), margins_of(parts))
    if not verdict.passed:
        _back(parts, work, list(rows))
        return StageResult(figures=verdict_figures(verdict), stop=f"not for service: {verdict.reason}")
    manifest = parts.publisher.promote(work.output(CampaignStage.TRIAL, "digest"))
    known = parts.releases.release(manifest.digest)
    remember_release(parts, manifest, known.description, campaign=work.campaign.id)
    return StageResult(output={"digest": manifest.digest}, figures=verdict_figures(verdict))


def roll_out(parts: Parts, work: StageWork) -> StageResult:
    """Canary, share, all; a rollout that halts or goes back ends the campaign."""
    digest, name = work.output(CampaignStage.SERVICE, "digest"), f"{work.campaign.id}-service"
    parts.rollouts.begin(
        name,
        digest,
        Channel.SERVICE,
        previous=incumbent_of(work),
        sites=parts.rollouts.sites(),
        campaign=work.campaign.id,
    )
    for _ in _until(parts, work, None):
        rollout = parts.rollouts.step(name)
        states = _site_states(rollout)
        _set_gauges(parts, states)
        running = states.get(SiteState.RUNNING, 0)
        total = max(sum(states.values()), 1)
        work.progress(running / total, f"{rollout.phase}: {running} of {total} sites run it")
        if rollout.phase in FINAL:
            break
    lost = sum(row.frames_lost for row in parts.reports.swaps() if row.digest == digest)
    figures = {"phase": rollout.phase, "sites": states, "frames_lost": lost}
    stop = (
        None if rollout.phase == RolloutPhase.DONE else f"the rollout was {rollout.phase}: {rollout.reason}"
    )
    return StageResult(output={"digest": digest, "rollout": name}, figures=figures, stop=stop)


def verify(parts: Parts, work: StageWork) -> StageResult:
    """Has the edge seen the modes close? Waits for tracks until the deadline, then says what is so."""
    digest = frozenset([work.output(CampaignStage.ROLL_OUT, "digest")])
    modes = work.campaign.plan.modes
    for over in _until(parts, work, parts.settings.campaign.verify_deadline_s):
        found = {mode: parts.register.assess(mode, digest) for mode in modes}
        tracks = min(judged.recall.supported for judged in found.values())
        closed = sum(judged.status is ModeStatus.CLOSED for judged in found.values())
        work.progress(
            min(tracks / MIN_SUPPORTED_TRACKS, 0.99), f"{closed} of {len(modes)} closed, {tracks} tracks"
        )
        if over or all(_settled(judged) for judged in found.values()):
            break
    for mode, judged in found.items():
        status = ModeStatus.REOPENED if judged.status is ModeStatus.OPEN else judged.status
        parts.register.set_status(mode, status)
    return StageResult(
        output={"closed": [m for m, j in found.items() if j.status is ModeStatus.CLOSED]},
        figures={mode: _judgement(judged) for mode, judged in found.items()},
    )


def _settled(judged: ModeAssessment) -> bool:
    """Closed, or so far below the target that more tracks would not change it."""
    if judged.status is ModeStatus.CLOSED:
        return True
    return judged.status is ModeStatus.OPEN and judged.recall.interval[1] < judged.target


def _judgement(judged: ModeAssessment) -> dict[str, Any]:
    return {
        "status": str(judged.status),
        "recall": RecallResource.model_validate(judged.recall).model_dump(),
        "target": judged.target,
        "rate": judged.rate,
        "baseline_rate": judged.baseline_rate,
    }


def _until(parts: Parts, work: StageWork, deadline_s: float | None) -> Iterator[bool]:
    """Turns of a wait: yields whether the deadline is over (then once more and never again)."""
    started = time.monotonic()
    while True:
        over = deadline_s is not None and time.monotonic() - started >= deadline_s
        yield over
        if over:
            return
        work.pause(parts.settings.campaign.poll_s)


def _latest_runs(parts: Parts, candidate: str, incumbent: str) -> dict[str, ShadowReport]:
    """The newest report of each site about this pair; figures add up over a run, so the newest is whole."""
    return {
        shadow.site: shadow.report
        for shadow in parts.reports.shadow_reports(candidate)
        if shadow.report.incumbent_digest == incumbent
    }


def _supported(runs: dict[str, ShadowReport], class_name: str, condition: str) -> int:
    return sum(
        tally.supported
        for run in runs.values()
        for tally in run.tallies
        if tally.class_name == class_name and f"{tally.light}-{tally.weather}" == condition
    )


def _enter_shadow(parts: Parts, work: StageWork, runs: dict[str, ShadowReport]) -> None:
    rows = []
    for site, run in runs.items():
        for tally in run.tallies:
            for digest, detected, unsupported in (
                (run.incumbent_digest, tally.incumbent_detected, tally.incumbent_unsupported),
                (run.candidate_digest, tally.candidate_detected, tally.candidate_unsupported),
            ):
                figures = {
                    "supported": tally.supported,
                    "detected": detected,
                    "unsupported": unsupported,
                    "recall": detected / tally.supported if tally.supported else None,
                }
                condition = f"{tally.light}-{tally.weather}"
                rows.append(
                    EvaluationRow(
                        work.campaign.id, digest, f"shadow:{site}", tally.class_name, condition, figures
                    )
                )
    parts.campaign_rows.put_evaluations(rows)


def _back(parts: Parts, work: StageWork, sites: list[str]) -> None:
    """End the shadow runs: order what serves already."""
    for site in sites:
        parts.rollouts.send_single(site, incumbent_of(work), Channel.SERVICE)


def _site_states(rollout: Rollout) -> dict[str, int]:
    states: dict[str, int] = {}
    for site in RolloutState.from_json(rollout.state).sites:
        states[str(site.state)] = states.get(str(site.state), 0) + 1
    return states


def _set_gauges(parts: Parts, states: dict[str, int]) -> None:
    parts.metrics.rollout_sites.clear()
    for state, number in states.items():
        parts.metrics.rollout_sites.labels(state=state).set(number)
