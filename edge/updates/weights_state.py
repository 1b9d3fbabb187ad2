"""The state of a node's models, in one file that is replaced as a whole, and the journal beside it.

The state file decides: which model is active, which one was before, what is staged, which orders were seen,
    the
version floor, and the receipts that are not sent yet. The journal is an append-only log of the steps for
people and tests.
"""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from edge.errors import EdgeError
from messaging.releases import RolloutOrder
from messaging.reports import SwapReceipt
from messaging.runtime.atomic_files import write_atomically
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.orders import OrdersSeen


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

    `loads` counts how often a load was begun: a model that kills the process is not tried for ever.
    `announced`: the shadow run's receipt is written.
    """

    model_config = ConfigDict(frozen=True)

    order: RolloutOrder
    manifest: ReleaseManifest
    loads: int = 0
    announced: bool = False


class WeightsState(BaseModel):
    """Everything that must survive a restart. `trial` is the order whose model is active, uncommitted."""

    model_config = ConfigDict(frozen=True)

    active: ReleaseManifest | None = None
    previous: ReleaseManifest | None = None
    staged: Staged | None = None
    trial: RolloutOrder | None = None
    starts_in_trial: int = 0
    last_sequence: int = 0
    last_issued_at_utc: int = 0
    version_floor: int = 0
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

    def with_receipt(self, receipt: SwapReceipt) -> Self:
        """The state with one more receipt to send."""
        return self.model_copy(update={"receipts": (*self.receipts, receipt)})

    def replace(self, **changes: object) -> Self:
        """The state with some fields changed."""
        return self.model_copy(update=changes)


def read_state(path: Path) -> WeightsState:
    """Read the state file; a missing one is a node's first start. Raises `EdgeError` when damaged."""
    try:
        return WeightsState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return WeightsState()
    except ValidationError as error:
        raise EdgeError(
            f"{path} is damaged ({error.error_count()} faults); restore it, or remove the folder "
            f"{path.parent} to start without a model"
        ) from None


def write_state(path: Path, state: WeightsState) -> None:
    """Replace the state file: temp, fsync, replace, fsync the folder."""
    write_atomically(path, state.model_dump_json().encode("ascii"))


class UpdateJournal:
    """Lines of JSON, one a step, each fsynced before the next step begins."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, step: Step, *, sequence: int, digest: str, at_utc: int) -> None:
        """Write one step down."""
        line = {"step": step, "sequence": sequence, "digest": digest, "at_utc": at_utc}
        with self._path.open("ab") as file:
            file.write(json.dumps(line, sort_keys=True).encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def steps(self) -> list[Step]:
        """The steps so far, oldest first; a line that a crash cut short is left out."""
        steps = []
        for line in self._path.read_bytes().splitlines() if self._path.exists() else ():
            try:
                steps.append(Step(json.loads(line)["step"]))
            except (ValueError, KeyError, TypeError):
                continue
        return steps
