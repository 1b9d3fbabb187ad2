"""The durable workflow: campaigns run stage by stage and survive a kill -9 in any of them.

DBOS owns progress (which step of which attempt comes next), the store owns facts (what a finished stage
said), folders own bytes. A stage that has finished is found by (campaign, stage, input digest) and never
done twice, also by another attempt: resuming a cancelled or failed campaign is a new attempt, a workflow of
its own, that passes over what is done. One process launches DBOS on SQLite; a file lock sees to that.
Campaigns run one after another: each starts from the model that the one before has put into service. Which
that is stands in its plan from the moment when its work begins, and a restart keeps it.
"""

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID
from ulid import ULID

from cloud.campaigns.stage import Stages, StageWork, input_digest, run_stage
from cloud.errors import AlreadyRunning, NotNow, StageFailed, StageInterrupted
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
from messaging.blobs import write_atomically
from messaging.errors import BlindspotError

log = logging.getLogger(__name__)

APPLICATION_VERSION = "campaign/1"
QUEUE = "campaigns"
_LIVE = {"PENDING", "ENQUEUED", "DELAYED"}

Workflow = Callable[[str, int], str]


class Campaigns:
    """Starts, cancels, resumes and runs campaigns; one launched instance a process."""

    def __init__(
        self,
        store: CampaignStore,
        releases: ReleaseStore,
        stages: Stages,
        folder: DataFolder,
        metrics: CloudMetrics,
        *,
        on_begin: Callable[[Campaign], None] = lambda _: None,
        on_end: Callable[[Campaign], None] = lambda _: None,
    ) -> None:
        """Args: `on_begin` hears of every attempt that begins, `on_end` of every end, good or bad."""
        self._store = store
        self._releases = releases
        self._stages = stages
        self._folder = folder
        self._metrics = metrics
        self._on_begin, self._on_end = on_begin, on_end
        self._leaving = threading.Event()
        self._workflow: Workflow | None = None

    # -- life ----------------------------------------------------------------------------------------

    @contextmanager
    def launched(self) -> Iterator["Campaigns"]:
        """Run workflows while the context lasts; unfinished campaigns go on.

        Only inside `sole_process`: two processes would repeat each other's steps.
        """
        self._launch()
        try:
            yield self
        finally:
            self._leaving.set()
            DBOS.destroy(workflow_completion_timeout_sec=_GOODBYE_S, destroy_registry=True)

    def _launch(self) -> None:
        _prepare_sqlite(self._folder.workflows)
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        DBOS(config=_config(self._folder))
        self._workflow = DBOS.workflow(name="campaign")(self._campaign_workflow())
        DBOS.launch()
        DBOS.register_queue(
            QUEUE, worker_concurrency=1, polling_interval_sec=0.3, on_conflict="always_update"
        )
        for campaign in self._store.recent(states=ACTIVE_STATES, limit=1000):
            self._take_up_again(campaign)

    def _take_up_again(self, campaign: Campaign) -> None:
        """Workflows that DBOS knows as unfinished it recovers itself; others get a new attempt."""
        status = DBOS.get_workflow_status(_workflow_id(campaign))
        if status is not None and status.status in _LIVE:
            log.info("campaign %s goes on after its last finished stage", campaign.id)
            return
        if campaign.state is CampaignState.CANCELLING:
            self._end(campaign.id, CampaignState.CANCELLED, "cancelled")
            return
        log.info("campaign %s is taken up by a new attempt", campaign.id)
        self._enqueue(campaign.id)

    # -- what people ask for -------------------------------------------------------------------------

    def start(
        self,
        plan: CampaignPlan,
        *,
        started_by: str,
        idempotency_key: str | None = None,
        needs_approval: bool = False,
    ) -> Campaign:
        """Store a campaign and queue it (or let it wait for approval); returns at once."""
        state = CampaignState.AWAITING_APPROVAL if needs_approval else CampaignState.QUEUED
        campaign = self._store.create(
            str(ULID()), plan, started_by=started_by, state=state, idempotency_key=idempotency_key
        )
        if campaign.attempt == 0 and campaign.state is CampaignState.QUEUED:
            self._enqueue(campaign.id)
        return self._store.get(campaign.id)

    def approve(self, campaign: str) -> Campaign:
        """Let a campaign go that waits for approval. Raises `NotKnown`, `NotNow`."""
        self._store.get(campaign)
        moved = self._store.move(campaign, CampaignState.QUEUED, only_from=[CampaignState.AWAITING_APPROVAL])
        if not moved:
            raise NotNow(f"campaign {campaign} does not wait for approval; it is {self._state(campaign)}")
        self._enqueue(campaign)
        return self._store.get(campaign)

    def cancel(self, campaign: str) -> Campaign:
        """Stop a campaign soon; what is finished stays for a resume. Raises `NotKnown`, `NotNow`."""
        self._store.get(campaign)
        waiting = [CampaignState.QUEUED, CampaignState.AWAITING_APPROVAL]
        if self._store.move(campaign, CampaignState.CANCELLED, only_from=waiting, reason="cancelled"):
            self._end(campaign, CampaignState.CANCELLED, "cancelled")
        elif not self._store.move(
            campaign, CampaignState.CANCELLING, only_from=[CampaignState.RUNNING], reason="cancelling"
        ):
            raise NotNow(f"campaign {campaign} cannot be cancelled; it is {self._state(campaign)}")
        return self._store.get(campaign)

    def resume(self, campaign: str) -> Campaign:
        """Go on after the last finished stage, or anew from a newer model. Raises `NotKnown`, `NotNow`."""
        self._store.get(campaign)
        if not self._store.move(campaign, CampaignState.QUEUED, only_from=list(RESUMABLE_STATES)):
            raise NotNow(
                f"campaign {campaign} cannot be resumed; it is {self._state(campaign)}, and only "
                f"{' or '.join(RESUMABLE_STATES)} ones can"
            )
        self._enqueue(campaign)
        return self._store.get(campaign)

    def _state(self, campaign: str) -> CampaignState:
        return self._store.get(campaign).state

    # -- the workflow --------------------------------------------------------------------------------

    def _enqueue(self, campaign: str) -> None:
        attempt = self._store.next_attempt(campaign)
        assert self._workflow is not None, "campaigns are started inside `launched()`"
        with SetWorkflowID(f"{campaign}-{attempt}"):
            DBOS.enqueue_workflow(QUEUE, self._workflow, campaign, attempt)

    def _campaign_workflow(self) -> Workflow:
        def campaign_workflow(campaign: str, attempt: int) -> str:
            """Stage after stage; each is one step, checkpointed with its output."""
            outputs: dict[str, Any] = {}
            for stage in CampaignStage:
                done = DBOS.run_step({"name": str(stage)}, self._step, campaign, attempt, str(stage), outputs)
                if done["stop"] is not None:
                    DBOS.run_step({"name": "end"}, self._end, campaign, "rejected", done["stop"])
                    return "rejected"
                outputs = {**outputs, str(stage): done["output"]}
            DBOS.run_step({"name": "end"}, self._end, campaign, "done", "")
            return "done"

        return campaign_workflow

    def _step(
        self, campaign_id: str, attempt: int, stage_name: str, outputs: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Run one stage, or find it finished. Sets the campaign's state before any error leaves it."""
        stage, campaign = CampaignStage(stage_name), self._store.get(campaign_id)
        campaign = self._begun(campaign, attempt)
        digest = input_digest(campaign, stage, outputs)
        record = self._store.begin_stage(campaign_id, stage, digest)
        if record.state in (StageState.DONE, StageState.STOPPED):
            return _done(record.output, record.note if record.state is StageState.STOPPED else None)
        work = self._work(campaign, stage, outputs, digest)
        started = time.monotonic()
        try:
            result = run_stage(self._stages, work)
        except StageInterrupted as error:
            self._interrupted(campaign_id, stage, digest)
            raise error
        except Exception as error:  # a stage's thread ends here: one sentence, then stop
            if work.stopping():
                self._interrupted(campaign_id, stage, digest)
                raise StageInterrupted(f"stage {stage} stopped: {error}") from error
            raise self._failed(campaign_id, stage, digest, error) from error
        self._metrics.stage_seconds.labels(stage=stage).observe(time.monotonic() - started)
        self._store.end_stage(
            campaign_id,
            stage,
            digest,
            state=StageState.DONE if result.stop is None else StageState.STOPPED,
            note=result.stop or "",
            output=result.output,
            metrics=result.figures,
        )
        return _done(result.output, result.stop)

    def _begun(self, campaign: Campaign, attempt: int) -> Campaign:
        """The running campaign. Leaves when it was cancelled meanwhile, or another attempt has it."""
        if campaign.state is CampaignState.CANCELLING and campaign.attempt == attempt:
            self._end(campaign.id, CampaignState.CANCELLED, "cancelled")
        wanted = (CampaignState.QUEUED, CampaignState.RUNNING)
        current = self._store.get(campaign.id)
        if current.attempt != attempt or current.state not in wanted or self._leaving.is_set():
            raise StageInterrupted(f"campaign {campaign.id} attempt {attempt} is not wanted any more")
        if current.state is CampaignState.QUEUED:
            current = self._with_incumbent(current)
            self._on_begin(current)
        self._store.move(campaign.id, CampaignState.RUNNING, only_from=wanted)
        return current

    def _with_incumbent(self, campaign: Campaign) -> Campaign:
        """The campaign, starting from the model in service now, unless its own is signed for service."""
        stages = self._store.stages(campaign.id)
        if any(row.stage is CampaignStage.SERVICE and row.state is StageState.DONE for row in stages):
            return campaign
        release = self._releases.current_service()
        if release is None or release.digest == campaign.plan.incumbent_digest:
            return campaign
        log.info("campaign %s starts from model %s", campaign.id, release.digest[:12])
        return self._store.set_incumbent(campaign.id, release.digest)

    def _work(
        self, campaign: Campaign, stage: CampaignStage, outputs: Mapping[str, Any], digest: str
    ) -> StageWork:
        folder = self._folder.campaign(campaign.id) / f"{stage}-{digest[:12]}"
        folder.mkdir(parents=True, exist_ok=True)

        def progress(share: float, note: str) -> None:
            self._store.report_progress(campaign.id, stage, digest, progress=share, note=note)

        def stopping() -> bool:
            return self._leaving.is_set() or self._state(campaign.id) is not CampaignState.RUNNING

        return StageWork(campaign, stage, outputs, folder, progress, stopping)

    def _interrupted(self, campaign: str, stage: CampaignStage, digest: str) -> None:
        """Cancelled: say so. Going down: leave the campaign running, the next start takes it up."""
        if self._state(campaign) is CampaignState.CANCELLING:
            self._store.end_stage(campaign, stage, digest, state=StageState.CANCELLED, note="cancelled")
            self._end(campaign, CampaignState.CANCELLED, "cancelled")

    def _failed(self, campaign: str, stage: CampaignStage, digest: str, error: Exception) -> StageFailed:
        sentence = str(error) if isinstance(error, BlindspotError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, BlindspotError):
            log.exception("stage %s of campaign %s failed", stage, campaign)
        self._store.end_stage(campaign, stage, digest, state=StageState.FAILED, note=sentence)
        self._end(campaign, CampaignState.FAILED, f"{stage}: {sentence}"[:500])
        return StageFailed(f"stage {stage} of campaign {campaign} failed: {sentence[:300]}")

    def _end(self, campaign: str, state: str, reason: str) -> None:
        self._store.set_state(campaign, CampaignState(state), reason=reason, ended=True)
        log.info("campaign %s is %s %s", campaign, state, reason)
        self._on_end(self._store.get(campaign))


_GOODBYE_S = 8


def _done(output: Mapping[str, Any], stop: str | None) -> dict[str, Any]:
    return {"output": dict(output), "stop": stop}


def _workflow_id(campaign: Campaign) -> str:
    return f"{campaign.id}-{campaign.attempt}"


def _config(folder: DataFolder) -> DBOSConfig:
    return {
        "name": "blindspot-cloud",
        "system_database_url": f"sqlite:///{folder.workflows}",
        "application_version": APPLICATION_VERSION,
        "executor_id": _executor_id(folder.executor),
        "serializer": DBOSPortableJSONSerializer(),
        "enable_otlp": False,
        "log_level": "CRITICAL",
    }


def _executor_id(path: Path) -> str:
    """Persisted, so that a restart recovers what this data folder began."""
    if not path.exists():
        write_atomically(path, f"cloud-{ULID()}".encode())
    return path.read_text(encoding="ascii").strip()


def _prepare_sqlite(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


@contextmanager
def sole_process(folder: DataFolder) -> Iterator[None]:
    """Hold the data folder's lock for as long as the context lasts. Raises `AlreadyRunning`."""
    path = folder.lock
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise AlreadyRunning(
            f"another process runs the cloud on {path.parent}; stop it, or give another folder with --data"
        ) from None
    try:
        yield
    finally:
        os.close(handle)
