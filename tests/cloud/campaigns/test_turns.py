"""Campaigns beside each other: a rollout or a shadow run that waits does not hold up other failure modes."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.campaigns.stage import StageResult, StageWork
from cloud.campaigns.turns import CampaignPlace, Turns
from cloud.fleet.rollout_state import RolloutPhase, plan_rollout
from cloud.settings import RolloutSettings
from cloud.store.records import CampaignStage, CampaignState, Rollout
from messaging.releases import Channel
from tests.support.cloud.sample_reports import NEW, OLD
from tests.support.cloud.scripted_stages import (
    OTHER_PLAN,
    PLAN,
    CampaignRunner,
    Script,
    ScriptedStages,
    quick,
    slow,
)
from tests.support.waiting import wait_until

STAGES = [str(stage) for stage in CampaignStage]
UNTIL_TRIAL = STAGES[: STAGES.index("shadow")]


class HeldStage:
    """A stage that waits in campaigns of `PLAN`, as for a person or for reports, until it is let go."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()

    def run(self, work: StageWork) -> StageResult:
        while work.campaign.plan.modes == PLAN.modes and not self.goes_on.is_set():
            work.pause(0.05)
        return quick(work)


class Seen:
    """A script for every stage that lists which campaigns ran it."""

    def __init__(self, held: HeldStage, stage: str) -> None:
        self.of: dict[str, list[str]] = {}
        scripts = {name: self._listed(held.run if name == stage else quick) for name in STAGES}
        self.stages = ScriptedStages(**scripts)

    def _listed(self, script: Script) -> Script:
        def run(work: StageWork) -> StageResult:
            self.of.setdefault(work.campaign.id, []).append(str(work.stage))
            return script(work)

        return run


@pytest.fixture
def runner(tmp_path: Path) -> CampaignRunner:
    runner = CampaignRunner(tmp_path)
    runner.put_into_service(OLD, 1)
    return runner


def waits_for_sites(runner: CampaignRunner, campaign: str, holder: str) -> bool:
    found = runner.store.get(campaign)
    return found.reason == f"waits for the sites, which campaign {holder} has"


@pytest.mark.parametrize("stage", ["shadow", "roll_out"])
def test_while_one_campaign_waits_at_the_sites_another_makes_its_candidate(
    runner: CampaignRunner, stage: str
) -> None:
    held = HeldStage()
    seen = Seen(held, stage)
    with runner.launched(seen.stages) as campaigns:
        first = campaigns.start(PLAN, started_by="test").id
        runner.wait_for_stage(first, stage)
        second = campaigns.start(OTHER_PLAN, started_by="test").id
        wait_until(lambda: waits_for_sites(runner, second, first))
        assert seen.of[second] == UNTIL_TRIAL
        assert runner.store.get(second).state is CampaignState.RUNNING
        held.goes_on.set()
        done = runner.wait_until_ended(second)
    assert (done.state, done.reason, seen.of[second]) == (CampaignState.DONE, "", STAGES)


def test_a_candidate_of_a_model_that_was_replaced_is_made_again_before_any_site_sees_it(
    runner: CampaignRunner,
) -> None:
    held = HeldStage()
    seen = Seen(held, "roll_out")
    with runner.launched(seen.stages) as campaigns:
        first = campaigns.start(PLAN, started_by="test").id
        runner.wait_for_stage(first, "roll_out")
        second = campaigns.start(OTHER_PLAN, started_by="test").id
        wait_until(lambda: waits_for_sites(runner, second, first))
        assert runner.store.get(second).plan.incumbent_digest == OLD
        runner.put_into_service(NEW, 2)
        held.goes_on.set()
        done = runner.wait_until_ended(second)
    assert (done.state, done.plan.incumbent_digest) == (CampaignState.DONE, NEW)
    assert seen.of[second] == [*UNTIL_TRIAL, *STAGES]


def test_a_kill_between_the_new_model_and_the_new_start_does_not_send_the_old_candidate_to_sites(
    runner: CampaignRunner,
) -> None:
    with runner.launched(ScriptedStages(trial=slow)) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        runner.wait_for_stage(campaign, "trial")
    runner.put_into_service(NEW, 2)
    runner.store.set_incumbent(campaign, NEW)
    again = ScriptedStages()
    with runner.launched(again):
        runner.wait_until_ended(campaign)
    assert again.seen == STAGES


def rollout_of(campaign: str | None = None, *, phase: str = "canary", paused: bool = False) -> Rollout:
    state = plan_rollout(NEW, OLD, Channel.SERVICE, sites=["quay"], settings=RolloutSettings(), now_utc=0)
    state = replace(state, phase=RolloutPhase(phase), paused=paused)
    return Rollout("R", campaign, NEW, OLD, phase, paused, state.to_json(), "", 0, 0)


def test_a_campaign_waits_for_the_rollout_of_an_operator_and_states_what_to_do(
    runner: CampaignRunner,
) -> None:
    runner.releases.put_rollout(rollout_of())
    stages = ScriptedStages()
    with runner.launched(stages) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        waits = "waits for the sites, which rollout R"
        wait_until(lambda: runner.store.get(campaign).reason == f"{waits} has")
        runner.releases.put_rollout(rollout_of(paused=True))
        sentence = f"{waits} (paused: `blindspot rollout resume R`, or `stop`) has"
        wait_until(lambda: runner.store.get(campaign).reason == sentence)
        assert stages.seen == UNTIL_TRIAL
        runner.releases.put_rollout(rollout_of(phase="done"))
        assert runner.wait_until_ended(campaign).state is CampaignState.DONE


def test_a_campaign_does_not_wait_for_its_own_rollout(runner: CampaignRunner) -> None:
    def rolls_out(work: StageWork) -> StageResult:
        row = rollout_of(work.campaign.id)
        runner.releases.put_rollout(row)
        return quick(work)

    with runner.launched(ScriptedStages(service=rolls_out)) as campaigns:
        campaign = campaigns.start(PLAN, started_by="test").id
        assert runner.wait_until_ended(campaign).state is CampaignState.DONE


def test_a_campaign_that_is_verified_holds_up_no_other_rollout(runner: CampaignRunner) -> None:
    seen = Seen(HeldStage(), "verify")
    with runner.launched(seen.stages) as campaigns:
        first = campaigns.start(PLAN, started_by="test").id
        runner.wait_for_stage(first, "verify")
        second = campaigns.start(OTHER_PLAN, started_by="test").id
        assert runner.wait_until_ended(second).state is CampaignState.DONE
        assert runner.store.get(first).state is CampaignState.RUNNING


def test_a_restart_lets_no_campaign_to_the_sites_while_another_rolls_out(runner: CampaignRunner) -> None:
    held = HeldStage()
    seen = Seen(held, "roll_out")
    with runner.launched(seen.stages) as campaigns:
        first = campaigns.start(PLAN, started_by="test").id
        runner.wait_for_stage(first, "roll_out")
        second = campaigns.start(OTHER_PLAN, started_by="test").id
        wait_until(lambda: waits_for_sites(runner, second, first))
    runner.store.set_state(second, CampaignState.RUNNING)
    with runner.launched(seen.stages):
        wait_until(lambda: waits_for_sites(runner, second, first))
        assert seen.of[second] == UNTIL_TRIAL
        held.goes_on.set()
        assert runner.wait_until_ended(second).state is CampaignState.DONE


def test_a_campaign_that_waits_for_the_sites_is_cancelled_and_resumed(runner: CampaignRunner) -> None:
    held = HeldStage()
    seen = Seen(held, "shadow")
    with runner.launched(seen.stages) as campaigns:
        first = campaigns.start(PLAN, started_by="test").id
        runner.wait_for_stage(first, "shadow")
        second = campaigns.start(OTHER_PLAN, started_by="test").id
        wait_until(lambda: waits_for_sites(runner, second, first))
        campaigns.cancel(second)
        assert runner.wait_until_ended(second).state is CampaignState.CANCELLED
        campaigns.resume(second)
        held.goes_on.set()
        assert runner.wait_until_ended(second).state is CampaignState.DONE
    assert seen.of[second] == STAGES


class Gone(Exception):
    """The waiting is over."""


def test_lanes_go_to_attempts_in_the_order_of_arrival_and_each_has_one(runner: CampaignRunner) -> None:
    turns, holders = Turns(), list[str]()

    def refuse(holder: str) -> None:
        holders.append(holder)
        raise Gone

    turns.enter("a-1", CampaignPlace.MACHINE, refuse)
    turns.enter("a-1", CampaignPlace.MACHINE, refuse)
    with pytest.raises(Gone):
        turns.enter("b-1", CampaignPlace.MACHINE, refuse)
    turns.hand_over("a-1", "a-2")
    turns.leave("a-1")
    with pytest.raises(Gone):
        turns.enter("b-1", CampaignPlace.MACHINE, refuse)
    turns.enter("a-2", CampaignPlace.SITES, refuse)
    turns.enter("b-1", CampaignPlace.MACHINE, refuse)
    with pytest.raises(Gone):
        turns.enter("b-1", CampaignPlace.SITES, refuse)
    turns.enter("c-1", CampaignPlace.MACHINE, refuse)
    assert holders == ["campaign a", "campaign a", "campaign a"]


def test_the_first_to_be_started_has_the_machine_although_the_thread_of_another_comes_first() -> None:
    turns, entered = Turns(), []
    turns.reserve("first-1")
    turns.reserve("second-1")

    def enter(workflow: str) -> None:
        turns.enter(workflow, CampaignPlace.MACHINE, lambda _: None)
        entered.append(workflow)
        turns.leave(workflow)

    threads = [threading.Thread(target=enter, args=(name,)) for name in ("second-1", "first-1")]
    threads[0].start()
    wait_until(threads[0].is_alive)
    threads[1].start()
    for thread in threads:
        thread.join(10)
    assert entered == ["first-1", "second-1"]


def test_an_attempt_that_is_cancelled_before_it_runs_holds_nobody_up() -> None:
    turns = Turns()
    turns.reserve("first-1")
    turns.leave("first-1")
    turns.enter("second-1", CampaignPlace.MACHINE, lambda _: pytest.fail("the machine is free"))
