"""The state of a node's models, in one file that is replaced as a whole, and the journal beside it.

The state file decides: which model is active, which one was before, what is staged, which orders were seen,
the version floor, and the receipts that are not sent yet. The journal is an append-only log of the steps for
people and tests.
"""

import json
import logging
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from messaging.releases import RolloutOrder
from messaging.reports import SwapReceipt
from messaging.runtime.atomic_files import sync, sync_folder
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.state_files import StateFile
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.orders import OrdersSeen

logger = logging.getLogger(__name__)

MAX_STARTS = 3
_CRASH_LOOP_S, _ANSWERABLE_S = 600, 86_400


class Step(StrEnum):
    """The steps of an update, in order; the node may be killed before and after each."""

    FETCHED = "fetched"
    VERIFIED = "verified"
    STAGED = "staged"
    SHADOW = "shadow"
    TRIAL = "trial"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"


class Staged(BaseModel):
    """A verified candidate on disk and the order that asked for it.

    `loads` counts how often a load was begun: a model that kills the process is not tried without end.
    `announced`: the shadow run's receipt is written.
    """

    model_config = ConfigDict(frozen=True)

    order: RolloutOrder
    manifest: ReleaseManifest
    loads: int = 0
    announced: bool = False


class WeightsState(BaseModel):
    """Everything that must survive a restart. `trial` is the order whose model is active, uncommitted.

    `swapped_at_utc`: when the active model was put in service, seconds since 1970; 0: by an order back.
    `last_ticket`: the number of the last downgrade ticket that was used. `starts`: when the node started with
    the active model, which had passed its probation, since the last swap or stop that was asked for.
    """

    model_config = ConfigDict(frozen=True)

    active: ReleaseManifest | None = None
    previous: ReleaseManifest | None = None
    staged: Staged | None = None
    trial: RolloutOrder | None = None
    starts_in_trial: int = 0
    swapped_at_utc: int = 0
    last_sequence: int = 0
    last_issued_at_utc: int = 0
    version_floor: int = 0
    last_ticket: int = 0
    starts: tuple[int, ...] = ()
    receipts: tuple[SwapReceipt, ...] = ()

    @property
    def seen(self) -> OrdersSeen:
        """The part that judges orders."""
        return OrdersSeen(self.last_sequence, self.last_issued_at_utc)

    @property
    def digests(self) -> set[str]:
        """Digests of all models that this state needs on disk."""
        kept = [self.active, self.previous, self.staged.manifest if self.staged else None]
        return {manifest.digest for manifest in kept if manifest is not None}

    def taking(self, order: RolloutOrder) -> Self:
        """The state after an order was taken: its sequence will not be taken again."""
        return self.model_copy(
            update={
                "last_sequence": order.sequence,
                "last_issued_at_utc": max(self.last_issued_at_utc, order.issued_at_utc),
            }
        )

    def started(self, now_utc: int) -> Self:
        """The state after a start of the node that nobody asked for.

        It is held against a model that was put in service within a day and has one before it to go back to.
        """
        swapped_s = now_utc - self.swapped_at_utc
        if self.trial is not None or self.previous is None or not 0 <= swapped_s <= _ANSWERABLE_S:
            return self
        recent = [at for at in self.starts if 0 <= now_utc - at <= _CRASH_LOOP_S]
        return self.replace(starts=(*recent, now_utc)[-MAX_STARTS:])

    @property
    def ends_the_process(self) -> bool:
        """Whether the node has started so often, with the active model, that this model is to blame."""
        return len(self.starts) >= MAX_STARTS

    def with_receipt(self, receipt: SwapReceipt) -> Self:
        """The state with one more receipt to send."""
        return self.model_copy(update={"receipts": (*self.receipts, receipt)})

    def replace(self, **changes: object) -> Self:
        """The state with some fields changed."""
        return self.model_copy(update=changes)


def read_state(path: Path) -> WeightsState:
    """Read the state file; a missing one is a node's first start. Raises `StateFileBroken`."""
    remedy = f"restore it from a backup, or remove the folder {path.parent} to start without a model"
    return StateFile(path, WeightsState, remedy=remedy).read() or WeightsState()


def write_state(path: Path, state: WeightsState) -> None:
    """Replace the state file: temp, fsync, replace, fsync the folder. Raises `OSError`."""
    StateFile(path, WeightsState).write(state)


class UpdateJournal:
    """Lines of JSON, one a step, each fsynced before the next step begins.

    For people: a step that the disk does not take is logged and missing here; the state file decides.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, step: Step, *, sequence: int, digest: str, at_utc: int) -> None:
        """Write one step down."""
        line = {"step": step, "sequence": sequence, "digest": digest, "at_utc": at_utc}
        try:
            begins = not self._path.exists()
            with self._path.open("ab") as file:
                file.write(json.dumps(line, sort_keys=True).encode("ascii") + b"\n")
                file.flush()
                sync(file.fileno())
            if begins:
                sync_folder(self._path.parent)
        except OSError as error:
            logger.warning("step %s is missing in the journal: %s", step, os_error_sentence(error))

    def steps(self) -> list[Step]:
        """The steps so far, oldest first; a line that a crash cut short is left out."""
        steps = []
        for line in self._path.read_bytes().splitlines() if self._path.exists() else ():
            try:
                steps.append(Step(json.loads(line)["step"]))
            except (ValueError, KeyError, TypeError):
                continue
        return steps
