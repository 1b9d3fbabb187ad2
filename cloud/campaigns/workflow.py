"""The durable workflow: campaigns run stage by stage and survive a kill -9 in any of them.

DBOS owns progress: which step of which attempt comes next, when each stage began, cancellation, recovery
after a restart, and continuing a cancelled or failed campaign (a fork of the last attempt at its first
unfinished stage). The store owns facts (outputs and metrics of finished stages), folders own bytes. One
process launches DBOS on SQLite; a file lock ensures that. One campaign at a time makes a model and one is at
the sites (`turns`). Each starts from the model that is in service when its work begins; its plan records
which, and it begins again if another one is in service when it comes to the sites (`lineage`).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dbos import DBOS, SetWorkflowID
from ulid import ULID

from cloud.campaigns.attempts import (
    BEGIN,
    LostAttempts,
    attempt_of,
    first_unfinished,
    recovers,
    workflow_of,
)
from cloud.campaigns.lineage import CHECKED_STAGES, follows, with_incumbent
from cloud.campaigns.stage import StageTable, StageWork, input_digest
from cloud.campaigns.turns import Turns, place_of
from cloud.campaigns.workflow_database import dbos_config, executor_id, prepare_database, sentences_for
from cloud.errors import NotNow, StageFailed, StageInterrupted
from cloud.fleet.rollout_history import RolloutHistory
from cloud.metrics import CloudMetrics
from cloud.settings import DataFolder
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import (
    ACTIVE_STATES,
    RESUMABLE_STATES,
    Campaign,
    CampaignPlan,
    CampaignStage,
    CampaignState,
    StageState,
)
from cloud.store.release_store import ReleaseStore
from cloud.tracing import NO_SPANS, Spans
from messaging.errors import BlindspotError
from messaging.runtime.backoff import Backoff
from messaging.runtime.os_errors import disk_is_full
from messaging.runtime.supervisor import FIRST_WAIT_S, MAX_WAIT_S

logger = logging.getLogger(__name__)

QUEUE = "campaigns"
CAMPAIGNS_AT_ONCE = 16  # most of them wait for a place, for reports or for a person; each is a thread
_POLL_QUEUE_S = 0.3
SHUTDOWN_TIMEOUT_S = 8
_CANCELLED = "CANCELLED"

Workflow = Callable[[str], str]


class _CloudStops(BaseException):
    """Leaves a step because the cloud stops.

    Not an `Exception`, so that DBOS records no result and recovers the step at the next start.
    """


class Campaigns:
    """Starts, cancels, resumes and runs campaigns; one launched instance per process."""

    def __init__(
        self,
        store: CampaignStore,
        releases: ReleaseStore,
        stages: StageTable,
        folder: DataFolder,
        metrics: CloudMetrics,
        *,
        on_begin: Callable[[Campaign], None] = lambda _: None,
        on_end: Callable[[Campaign], None] = lambda _: None,
        spans: Spans = NO_SPANS,
    ) -> None:
        """Args: `on_begin` is called when an attempt begins, `on_end` at every end, good or bad."""
        self._store, self._releases = store, releases
        self._stages = stages
        self._folder = folder
        self._metrics, self._spans = metrics, spans
        self._on_begin, self._on_end = on_begin, on_end
        self._leaving = threading.Event()
        self._attempts = LostAttempts()
        self._turns = Turns(RolloutHistory(releases).of_others)
        self._workflow: Workflow | None = None
        for stage in CampaignStage:  # from zero, so that a scrape sees the first failure as an increase
            metrics.stage_failures.labels(stage=stage)

    # -- start and stop ------------------------------------------------------------------------------

    @contextmanager
    def launched(self) -> Iterator["Campaigns"]:
        """Run workflows while the context lasts; unfinished campaigns continue.

        Only inside `sole_process`: two processes would repeat each other's steps.
        """
        self._launch()
        try:
            yield self
        finally:
            self._leaving.set()
            DBOS.destroy(workflow_completion_timeout_sec=SHUTDOWN_TIMEOUT_S, destroy_registry=True)

    def _launch(self) -> None:
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        with sentences_for(self._folder.workflows):
            prepare_database(self._folder.workflows)
            executor = executor_id(self._folder.executor)
            DBOS(config=dbos_config(self._folder, executor))
            self._workflow = DBOS.workflow(name="campaign")(self._campaign_workflow())
            self._turns.restore(self._store)
            DBOS.launch()
            at_once, every_s = CAMPAIGNS_AT_ONCE, _POLL_QUEUE_S
            DBOS.register_queue(
                QUEUE, worker_concurrency=at_once, polling_interval_sec=every_s, on_conflict="always_update"
            )
        for campaign in self._store.recent(states=ACTIVE_STATES, limit=1000):
            self._recover(campaign, executor)

    def _recover(self, campaign: Campaign, executor: str) -> None:
        """DBOS recovers its unfinished workflows; other campaigns get a new attempt or are cancelled."""
        if recovers(workflow_of(campaign), executor):
            logger.info("campaign %s continues after its last finished stage", campaign.id)
        else:
            self._replace(campaign)

    def restart_dead(self) -> None:
        """Replace attempts that have died, as on a full disk; to be called regularly."""
        active = {workflow_of(one): one for one in self._store.recent(states=ACTIVE_STATES, limit=1000)}
        for workflow in self._attempts.among(active):
            logger.warning("attempt %s has ended without a result", workflow)
            DBOS.cancel_workflow(workflow)
            self._replace(active[workflow])

    def _replace(self, campaign: Campaign) -> None:
        """End a campaign that was being cancelled; queue a new attempt of another one."""
        if campaign.state is CampaignState.CANCELLING:
            self._turns.leave(workflow_of(campaign))
            self._end(campaign.id, CampaignState.CANCELLED, "cancelled")
        else:
            logger.info("campaign %s gets a new attempt", campaign.id)
            self._enqueue(campaign)

    # -- requests ------------------------------------------------------------------------------------

    def start(
        self,
        plan: CampaignPlan,
        *,
        started_by: str,
        idempotency_key: str | None = None,
        needs_approval: bool = False,
    ) -> Campaign:
        """Store a campaign and queue it (or let it wait for approval); returns at once.

        Raises `CampaignRefused` when one of its failure modes is in an active campaign.
        """
        state = CampaignState.AWAITING_APPROVAL if needs_approval else CampaignState.QUEUED
        campaign = self._store.create(
            str(ULID()), plan, started_by=started_by, state=state, idempotency_key=idempotency_key
        )
        if campaign.attempt == 0 and campaign.state is CampaignState.QUEUED:
            self._enqueue(campaign)
        return self._store.get(campaign.id)

    def approve(self, campaign: str) -> Campaign:
        """Queue a campaign that waits for approval. Raises `NotKnown`, `NotNow`, `CampaignRefused`."""
        if not self._store.queue(campaign, only_from=[CampaignState.AWAITING_APPROVAL]):
            raise NotNow(f"campaign {campaign} does not wait for approval; it is {self._state(campaign)}")
        self._enqueue(self._store.get(campaign))
        return self._store.get(campaign)

    def cancel(self, campaign: str) -> Campaign:
        """Stop a campaign soon; finished stages are kept for a resume. Raises `NotKnown`, `NotNow`."""
        waiting = [CampaignState.QUEUED, CampaignState.AWAITING_APPROVAL]
        if self._store.move(campaign, CampaignState.CANCELLED, only_from=waiting, reason="cancelled"):
            workflow = workflow_of(self._store.get(campaign))  # read now: an approval may just have queued it
            DBOS.cancel_workflow(workflow)
            self._turns.leave(workflow)
            self._end(campaign, CampaignState.CANCELLED, "cancelled")
        elif self._store.move(
            campaign, CampaignState.CANCELLING, only_from=[CampaignState.RUNNING], reason="cancelling"
        ):
            DBOS.cancel_workflow(workflow_of(self._store.get(campaign)))
        else:
            raise NotNow(f"campaign {campaign} cannot be cancelled; it is {self._state(campaign)}")
        return self._store.get(campaign)

    def resume(self, campaign: str) -> Campaign:
        """Continue at the first unfinished stage, with a new deadline.

        Raises `NotKnown`, `NotNow`, and `CampaignRefused` when another campaign has its failure modes now.
        """
        if not self._store.queue(campaign, only_from=RESUMABLE_STATES):
            raise NotNow(
                f"campaign {campaign} cannot be resumed; it is {self._state(campaign)}, and only "
                f"{' or '.join(RESUMABLE_STATES)} ones can"
            )
        self._enqueue(self._store.get(campaign))
        return self._store.get(campaign)

    def _state(self, campaign: str) -> CampaignState:
        return self._store.get(campaign).state

    # -- the workflow --------------------------------------------------------------------------------

    def _enqueue(self, campaign: Campaign) -> None:
        """Queue a new attempt: a fork of the last one at its first unfinished stage, if there was one."""
        assert self._workflow is not None, "campaigns are started inside `launched()`"
        previous = workflow_of(campaign)
        workflow = f"{campaign.id}-{self._store.next_attempt(campaign.id)}"
        self._turns.hand_over(previous, workflow)
        with self._turns.reserved(workflow), SetWorkflowID(workflow):
            if DBOS.get_workflow_status(previous) is None:
                DBOS.enqueue_workflow(QUEUE, self._workflow, campaign.id)
            else:
                DBOS.fork_workflow(previous, first_unfinished(previous), queue_name=QUEUE)

    def _campaign_workflow(self) -> Workflow:
        def campaign_workflow(campaign: str) -> str:
            """Stage after stage: one step records when it began, one runs it and records its output."""
            workflow = str(DBOS.workflow_id)
            with self._attempts.running(workflow):
                try:
                    return stage_after_stage(campaign, attempt_of(workflow))
                finally:
                    self._turns.leave(workflow)

        def stage_after_stage(campaign: str, attempt: int) -> str:
            outputs: dict[str, Any] = {}
            ahead = list(CampaignStage)
            while ahead:
                stage = ahead.pop(0)
                began = DBOS.run_step({"name": f"{BEGIN}{stage}"}, self._turn, campaign, attempt, stage)
                done = DBOS.run_step({"name": stage}, self._step, campaign, attempt, stage, outputs, began)
                if done["stop"] is not None:
                    DBOS.run_step({"name": "end"}, self._end, campaign, "rejected", done["stop"])
                    return "rejected"
                outputs = {**outputs, stage: done["output"]}
                if done["output"] is None:
                    outputs, ahead = {}, list(CampaignStage)
            DBOS.run_step({"name": "end"}, self._end, campaign, "done", "")
            return "done"

        return campaign_workflow

    def _turn(self, campaign_id: str, attempt: int, stage_name: str) -> float:
        """Wait until the campaign may run the stage; returns when that was, in seconds since 1970.

        Raises `StageInterrupted` if it is cancelled or replaced while it waits.
        """
        stated = ""

        def waits(holder: str) -> None:
            nonlocal stated
            campaign = self._begun(campaign_id, attempt)
            if holder != stated:
                stated, state = holder, campaign.state
                reason = f"waits for {place}, which {holder} has"
                self._store.move(campaign_id, state, only_from=[state], reason=reason)

        place = place_of(CampaignStage(stage_name))
        self._turns.enter(f"{campaign_id}-{attempt}", place, waits)
        return time.time()

    def _step(
        self, campaign_id: str, attempt: int, stage_name: str, outputs: Mapping[str, Any], began: float
    ) -> dict[str, Any]:
        """Run one stage; while the disk is full, wait and run it again, which every stage allows."""
        waits = Backoff(FIRST_WAIT_S, MAX_WAIT_S)
        self._turn(campaign_id, attempt, stage_name)  # a restart comes here without a step before
        while True:
            try:
                return self._run_stage(campaign_id, attempt, stage_name, outputs, began)
            except Exception as error:  # of a stage or of the store
                if isinstance(error, StageInterrupted) or not disk_is_full(error):
                    raise
                if waits.failures == 0:
                    logger.error("%s of campaign %s waits for room: %s", stage_name, campaign_id, error)
            self._leaving.wait(waits.next_s())

    def _run_stage(
        self, campaign_id: str, attempt: int, stage_name: str, outputs: Mapping[str, Any], began: float
    ) -> dict[str, Any]:
        """Run one stage; an output of None asks for a start from the first stage.

        Sets the campaign's state before any error leaves it, except one of a full disk.
        """
        stage = CampaignStage(stage_name)
        campaign = self._running(self._begun(campaign_id, attempt), stage)
        if not follows(self._store, campaign, stage, outputs):
            return _done(None, None)
        digest = input_digest(campaign, stage, outputs)
        record = self._store.begin_stage(campaign_id, stage, digest)
        if record.state in (StageState.DONE, StageState.STOPPED):  # killed between store and DBOS
            return _done(record.output, record.note if record.state is StageState.STOPPED else None)
        work = self._work(campaign, stage, outputs, digest, began)
        started = time.monotonic()
        try:
            with self._spans.span(f"stage {stage}", campaign=campaign_id, attempt=attempt):
                result = self._stages[stage].run(work)
        except Exception as error:  # a stage's thread ends here: one sentence, then stop
            if self._leaving.is_set():
                raise _CloudStops from error
            if isinstance(error, StageInterrupted) or work.stopping():
                self._store.end_stage(
                    campaign_id, stage, digest, state=StageState.CANCELLED, note="cancelled"
                )
                self._end(campaign_id, CampaignState.CANCELLED, "cancelled")
                raise StageInterrupted(f"stage {stage} stopped: {error}") from error
            if disk_is_full(error):
                raise
            raise self._failed(campaign_id, stage, digest, error) from error
        self._metrics.stage_seconds.labels(stage=stage).observe(time.monotonic() - started)
        output = {} if result.output is None else result.output.model_dump(mode="json")
        self._store.end_stage(
            campaign_id,
            stage,
            digest,
            state=StageState.DONE if result.stop is None else StageState.STOPPED,
            note=result.stop or result.note,
            output=output,
            metrics=result.metrics,
        )
        return _done(output, result.stop)

    def _begun(self, campaign_id: str, attempt: int) -> Campaign:
        """The campaign of this attempt. Raises `StageInterrupted` if it was cancelled or replaced."""
        if self._leaving.is_set():
            raise _CloudStops
        campaign = self._store.get(campaign_id)
        if campaign.state is CampaignState.CANCELLING and campaign.attempt == attempt:
            self._end(campaign_id, CampaignState.CANCELLED, "cancelled")
        campaign = self._store.get(campaign_id)
        if campaign.attempt != attempt or campaign.state not in (CampaignState.QUEUED, CampaignState.RUNNING):
            raise StageInterrupted(f"attempt {attempt} of campaign {campaign_id} was cancelled or replaced")
        return campaign

    def _running(self, campaign: Campaign, stage: CampaignStage) -> Campaign:
        """The campaign in state running, with the model in service now if it begins or goes to the sites."""
        queued = campaign.state is CampaignState.QUEUED
        if queued or stage in CHECKED_STAGES:
            campaign = with_incumbent(self._store, self._releases, campaign)
        if queued:
            self._on_begin(campaign)
        self._store.move(
            campaign.id, CampaignState.RUNNING, only_from=[CampaignState.QUEUED, CampaignState.RUNNING]
        )
        return campaign

    def _work(
        self, campaign: Campaign, stage: CampaignStage, outputs: Mapping[str, Any], digest: str, began: float
    ) -> StageWork:
        folder = self._folder.campaign(campaign.id) / f"{stage}-{digest[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        typed = {
            CampaignStage(name): self._stages[CampaignStage(name)].output.model_validate(output)
            for name, output in outputs.items()
        }
        report, show = self._store.report_progress, self._store.show_metrics
        return StageWork(
            campaign, stage, typed, folder, began,
            progress=lambda part, note: report(campaign.id, stage, digest, progress=part, note=note),
            stopping=lambda: self._leaving.is_set() or self._is_cancelled(campaign),
            show=lambda metrics: show(campaign.id, stage, digest, metrics),
        )  # fmt: skip

    def _is_cancelled(self, campaign: Campaign) -> bool:
        status = DBOS.get_workflow_status(workflow_of(campaign))
        return status is not None and status.status == _CANCELLED

    def _failed(self, campaign: str, stage: CampaignStage, digest: str, error: Exception) -> StageFailed:
        sentence = str(error) if isinstance(error, BlindspotError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, BlindspotError):
            logger.error("stage %s of campaign %s failed", stage, campaign, exc_info=error)
        self._metrics.stage_failures.labels(stage=stage).inc()
        self._store.end_stage(campaign, stage, digest, state=StageState.FAILED, note=sentence)
        self._end(campaign, CampaignState.FAILED, f"{stage}: {sentence}"[:500])
        return StageFailed(f"stage {stage} of campaign {campaign} failed: {sentence[:300]}")

    def _end(self, campaign: str, state: str, reason: str) -> None:
        self._store.set_state(campaign, CampaignState(state), reason=reason, ended=True)
        logger.info("campaign %s is %s %s", campaign, state, reason)
        self._on_end(self._store.get(campaign))


def _done(output: Mapping[str, Any] | None, stop: str | None) -> dict[str, Any]:
    return {"output": None if output is None else dict(output), "stop": stop}
