"""Which campaigns may run at the same time: one makes a model, one is at the sites, any number only watch.

Stages from plan to trial use the machine, and one campaign at a time has it. Stages from shadow to roll out
change what the sites run, and one campaign at a time does that, so that no candidate is compared with, or
rolled out over, a model that another rollout replaces; an operator's rollout has the sites until it ends.
Verification only reads reports and waits for nobody. Decision 0044.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from cloud.campaigns.attempts import campaign_of, workflow_of
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import CampaignStage, CampaignState

_POLL_S = 0.3


class CampaignPlace(StrEnum):
    """What one campaign at a time has; the values are shown to people."""

    MACHINE = "the training machine"
    SITES = "the sites"


UNDER_WAY = (CampaignState.RUNNING, CampaignState.CANCELLING)
_AT_SITES = (CampaignStage.SHADOW, CampaignStage.SERVICE, CampaignStage.ROLL_OUT)


def place_of(stage: CampaignStage) -> CampaignPlace | None:
    """The place that a stage needs; None for one that runs beside all others."""
    if stage is CampaignStage.VERIFY:
        return None
    return CampaignPlace.SITES if stage in _AT_SITES else CampaignPlace.MACHINE


class Turns:
    """Who has each place, and who waits, in the order of arrival; attempts are named by their workflow."""

    def __init__(self, rollout_of_others: Callable[[str], str | None] = lambda _: None) -> None:
        """Args: what describes the rollout under way that is not of a campaign; None if there is none."""
        self._rollout_of_others = rollout_of_others
        self._changed = threading.Condition()
        self._queues: dict[CampaignPlace, list[str]] = {place: [] for place in CampaignPlace}

    def enter(self, workflow: str, place: CampaignPlace | None, on_wait: Callable[[str], None]) -> None:
        """Return once the attempt has the place, and no other; at once if it has it already.

        `on_wait` is called with what has the place, in words, while this one waits; what it raises ends the
        waiting.
        """
        with self._changed:
            for other in CampaignPlace:
                if other is not place:
                    self._remove(workflow, other)
            if place is not None and workflow not in self._queues[place]:
                self._queues[place].append(workflow)
        while place is not None and (holder := self._holder(place, workflow)) is not None:
            try:
                on_wait(holder)
            except BaseException:  # also of a cloud that stops: who does not wait is not in the queue
                self.leave(workflow)
                raise
            with self._changed:
                self._changed.wait(_POLL_S)

    def reserve(self, workflow: str) -> None:
        """Let an attempt wait for the machine before its thread runs: who starts first is first."""
        with self._changed:
            if not any(workflow in queue for queue in self._queues.values()):
                self._queues[CampaignPlace.MACHINE].append(workflow)

    @contextmanager
    def reserved(self, workflow: str) -> Iterator[None]:
        """`reserve`, taken back by an error: nobody may wait for an attempt that will not run."""
        self.reserve(workflow)
        try:
            yield
        except BaseException:
            self.leave(workflow)
            raise

    def restore(self, store: CampaignStore) -> None:
        """Give campaigns under way their places back; queued ones wait after them, the oldest first."""
        for campaign in reversed(store.recent(states=UNDER_WAY, limit=1000)):
            stages = store.stages(campaign.id)
            place = place_of(stages[-1].stage) if stages else None
            if place is not None:
                with self._changed:
                    self._queues[place].append(workflow_of(campaign))
        for campaign in reversed(store.recent(states=(CampaignState.QUEUED,), limit=1000)):
            self.reserve(workflow_of(campaign))

    def leave(self, workflow: str) -> None:
        """Give up all places and the waiting for them."""
        with self._changed:
            for place in CampaignPlace:
                self._remove(workflow, place)

    def hand_over(self, workflow: str, successor: str) -> None:
        """A new attempt takes what the one before it had."""
        with self._changed:
            for queue in self._queues.values():
                queue[:] = [successor if one == workflow else one for one in queue]

    def _holder(self, place: CampaignPlace, workflow: str) -> str | None:
        """What has the place instead of an attempt, in words; None if the attempt has it."""
        with self._changed:
            first = self._queues[place][0] if self._queues[place] else ""
        at_sites = place is CampaignPlace.SITES
        rollout = self._rollout_of_others(campaign_of(workflow)) if at_sites else None
        if first == workflow:
            return rollout
        return f"campaign {campaign_of(first)}{f' with {rollout}' if rollout else ''}"

    def _remove(self, workflow: str, place: CampaignPlace) -> None:
        if workflow in self._queues[place]:
            self._queues[place].remove(workflow)
            self._changed.notify_all()
