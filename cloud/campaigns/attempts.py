"""Attempts of campaigns, which are DBOS's workflows: names, where one continues, which have died."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dbos import DBOS

from cloud.store.records import Campaign

BEGIN = "begin "  # name of the step that records when a stage began: `begin STAGE`
_QUEUED = {"ENQUEUED", "DELAYED"}
_LIVE = {"PENDING", *_QUEUED}


def workflow_of(campaign: Campaign) -> str:
    """The id of the workflow of a campaign's present attempt."""
    return f"{campaign.id}-{campaign.attempt}"


def campaign_of(workflow: str) -> str:
    """The id of the campaign whose attempt a workflow is."""
    return workflow.rpartition("-")[0]


def attempt_of(workflow: str) -> int:
    """The number of the attempt that a workflow is."""
    return int(workflow.rpartition("-")[2])


def recovers(workflow: str, executor: str) -> bool:
    """Whether DBOS continues the workflow by itself in the process with this executor id."""
    status = DBOS.get_workflow_status(workflow)
    if status is None or status.status not in _LIVE:
        return False
    return status.status in _QUEUED or status.executor_id == executor


def first_unfinished(workflow: str) -> int:
    """The step (from 1) at which a fork of a workflow starts: where its unfinished stage began."""
    steps = DBOS.list_workflow_steps(workflow)
    while steps and (steps[-1]["error"] is not None or steps[-1]["function_name"].startswith(BEGIN)):
        steps.pop()
    return steps[-1]["function_id"] + 1 if steps else 1


class LostAttempts:
    """Finds attempts that neither run in this process nor wait in the queue: DBOS has lost them.

    A workflow dies without a result when DBOS's database takes none, as on a full disk.
    """

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._missing: set[str] = set()

    @contextmanager
    def running(self, workflow: str) -> Iterator[None]:
        """An attempt runs while the context lasts."""
        self._running.add(workflow)
        try:
            yield
        finally:
            self._running.discard(workflow)

    def among(self, workflows: Iterable[str]) -> set[str]:
        """Those that were missing at the last call and are missing now; one may be between two states."""
        missing = {name for name in workflows if name not in self._running and not _is_queued(name)}
        lost, self._missing = self._missing & missing, missing
        return lost


def _is_queued(workflow: str) -> bool:
    status = DBOS.get_workflow_status(workflow)
    return status is not None and status.status in _QUEUED
