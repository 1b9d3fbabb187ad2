"""Mirror folder -> verified weights on disk: current, previous and staged, atomic and journalled.

The state file names the active model, and every model that it names was verified before, so a crash anywhere
leaves exactly one valid model. Each refusal becomes a receipt, stored on disk until it is sent.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge.updates.incoming_orders import (
    AcceptedOrder,
    IncomingOrders,
    RefusedOrder,
    WeightsPlace,
    is_whole,
    read_checked,
)
from edge.updates.weights_state import Staged, Step, UpdateJournal, WeightsState, read_state, write_state
from messaging.errors import BlobError, TrustError
from messaging.releases import Channel, Role, RolloutOrder
from messaging.reports import SwapOutcome, SwapReason, SwapReceipt
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.os_errors import os_error_sentence
from messaging.trust.manifest import ReleaseManifest

logger = logging.getLogger(__name__)

MAX_LOADS = 5
MAX_STARTS_IN_TRIAL = 3
STUCK_FILE = "stuck"
NO_DIGEST = "0" * 64


class Action(StrEnum):
    """What to do with the staged model."""

    NOTHING = "nothing"
    SHADOW = "shadow"
    INSTALL = "install"


@dataclass(frozen=True)
class Decision:
    """The result of `WeightsStore.poll`: run the staged model in shadow, install it, or nothing."""

    action: Action
    manifest: ReleaseManifest | None = None


NOTHING = Decision(Action.NOTHING)


@dataclass(frozen=True)
class InstalledModel:
    """A model on disk whose bytes were verified when it was staged."""

    manifest: ReleaseManifest
    path: Path

    @property
    def digest(self) -> str:
        """sha256 hex of the file."""
        return self.manifest.digest


def note_stuck(folder: Path, digest: str) -> None:
    """Write down, before the process ends, which model does not return; from any thread."""
    write_atomically(folder / STUCK_FILE, digest.encode("ascii"))


class WeightsStore:
    """The node's models. One instance a folder; not thread-safe: one thread polls and reports back."""

    def __init__(
        self, place: WeightsPlace, *, now_utc: int, reached: Callable[[Step], None] = lambda step: None
    ) -> None:
        """Open the store and finish what a crash cut short.

        Args:
            place: folders, site and trust.
            now_utc: seconds since 1970, for receipts.
            reached: called after each step is on disk; tests crash here.

        Raises:
            StateFileBroken: the state file is damaged.
        """
        self._place = place
        self._reached = reached
        self._state_path = place.folder / "state.json"
        self.journal = UpdateJournal(place.folder / "journal.jsonl")
        self._orders = IncomingOrders(place)
        self._state = read_state(self._state_path)
        self._recover(now_utc)

    @property
    def state(self) -> WeightsState:
        """A snapshot of what is on disk."""
        return self._state

    def active(self) -> InstalledModel | None:
        """The model that the node runs, or None before the first one."""
        return self._installed(self._state.active)

    def previous(self) -> InstalledModel | None:
        """The model before, kept to roll back to."""
        return self._installed(self._state.previous)

    def staged(self) -> InstalledModel | None:
        """The candidate on disk."""
        return self._installed(self._state.staged.manifest if self._state.staged else None)

    def receipts(self) -> tuple[SwapReceipt, ...]:
        """Receipts not sent yet, oldest first; they survive restarts until `sent`."""
        return self._state.receipts

    def sent(self, receipt: SwapReceipt) -> None:
        """Delete a receipt that the outbox has stored."""
        self._save(self._state.replace(receipts=tuple(r for r in self._state.receipts if r != receipt)))

    @property
    def role(self) -> Role:
        """The role of its models."""
        return self._place.role

    def poll(self, now_utc: int) -> Decision:
        """Read the mirror, stage what is new, and return what to do; cheap if nothing changed.

        Raises `OSError` when the disk takes nothing; the order is then judged again at the next call.
        """
        verdict = self._orders.next(self._state, now_utc)
        try:
            if isinstance(verdict, AcceptedOrder):
                self._take(verdict, now_utc)
            elif verdict is not None:
                self._note_refusal(verdict, now_utc)
        except OSError:
            self._orders.judge_again()
            raise
        staged = self._state.staged
        if staged is None:
            return NOTHING
        action = Action.SHADOW if staged.order.channel is Channel.TRIAL else Action.INSTALL
        return Decision(action, staged.manifest)

    def read(self, model: InstalledModel) -> bytes:
        """The model's bytes, length and digest checked again. Raises `TrustError` when damaged on disk."""
        return read_checked(model.path, model.manifest)

    def begin_load(self, now_utc: int) -> bytes | None:
        """Bytes of the staged model, the attempt recorded first; None if it was refused for good.

        A model whose loading has ended the process too often is refused as `CRASHED`.
        """
        staged = self._state.staged
        if staged is None:
            return None
        if staged.loads >= MAX_LOADS:
            self.refuse(SwapReason.CRASHED, now_utc)
            return None
        self._save(self._state.replace(staged=staged.model_copy(update={"loads": staged.loads + 1})))
        try:
            return read_checked(self._place.model_path(staged.manifest), staged.manifest)
        except TrustError as error:
            self.refuse(SwapReason(error.reason), now_utc)
            return None

    def stopped(self) -> None:
        """The node stops as requested: what it has loaded has not ended the process."""
        staged = self._state.staged
        if staged is not None:
            staged = staged.model_copy(update={"loads": 0})
        state = self._state.replace(staged=staged, starts_in_trial=0, starts=())
        if state != self._state:
            self._save(state)

    def shadow_begun(self, now_utc: int) -> None:
        """Record that the staged model runs beside the active one, with one receipt."""
        staged = self._state.staged
        if staged is None or staged.announced:
            return
        receipt = self._receipt(staged.order, SwapOutcome.SHADOWING, SwapReason.NONE, now_utc)
        state = self._state.replace(staged=staged.model_copy(update={"announced": True}))
        self._go(Step.SHADOW, state.with_receipt(receipt), staged.order, now_utc)

    def install(self, now_utc: int) -> None:
        """Make the staged model the active one, on probation; the last that passed is the fallback."""
        staged = self._state.staged
        if staged is None:
            return
        fallback = self._state.previous if self._state.trial else self._state.active
        if fallback is not None and fallback.digest == staged.manifest.digest:
            fallback = None
        state = self._state.replace(
            active=staged.manifest,
            previous=fallback,
            staged=None,
            trial=staged.order,
            starts_in_trial=staged.loads,
            starts=(),
            swapped_at_utc=0 if staged.order.downgrade else now_utc,
        )
        self._go(Step.TRIAL, state, staged.order, now_utc)

    def commit(self, now_utc: int, *, frames_lost: int = 0) -> None:
        """The model has passed its probation: the version floor rises to its version."""
        order, active = self._state.trial, self._state.active
        if order is None or active is None:
            return
        reason = SwapReason.ORDERED_BACK if order.downgrade else SwapReason.NONE
        receipt = self._receipt(order, SwapOutcome.INSTALLED, reason, now_utc, frames_lost)
        state = self._state.replace(
            trial=None, starts_in_trial=0, version_floor=max(self._state.version_floor, active.version)
        )
        self._go(Step.COMMITTED, state.with_receipt(receipt), order, now_utc)

    def roll_back(self, reason: SwapReason, now_utc: int, *, frames_lost: int = 0) -> None:
        """The active model has failed: the one before is active again, if it is whole."""
        state, active = self._state, self._state.active
        if active is None:
            return
        order = state.trial or RolloutOrder(
            site=self._place.site,
            role=self._place.role,
            sequence=max(1, state.last_sequence),
            digest=active.digest,
            channel=Channel.SERVICE,
            issued_at_utc=state.last_issued_at_utc,
            expires_at_utc=state.last_issued_at_utc,
        )
        back = state.previous if state.previous and self._repaired(state.previous) else None
        receipt = self._receipt(order, SwapOutcome.ROLLED_BACK, reason, now_utc, frames_lost)
        receipt = receipt.model_copy(update={"previous_digest": back.digest if back else None})
        after = state.replace(active=back, previous=None, trial=None, starts_in_trial=0, starts=())
        self._go(Step.ROLLED_BACK, after.with_receipt(receipt), order, now_utc)

    def refuse(self, reason: SwapReason, now_utc: int) -> None:
        """The staged model did not load or failed its self-test: remove it; the active one stays."""
        staged = self._state.staged
        if staged is None:
            return
        receipt = self._receipt(staged.order, SwapOutcome.REFUSED, reason, now_utc)
        self._go(Step.REFUSED, self._state.replace(staged=None).with_receipt(receipt), staged.order, now_utc)

    def _take(self, accepted: AcceptedOrder, now_utc: int) -> None:
        order, manifest, active = accepted.order, accepted.manifest, self._state.active
        if active is not None and active.digest == manifest.digest:
            self._confirm(order, manifest, now_utc)
            return
        if accepted.data is not None:
            self._step(Step.FETCHED, order, now_utc)
            write_atomically(self._place.model_path(manifest), accepted.data)
            self._step(Step.VERIFIED, order, now_utc)
        used = max(self._state.last_ticket, accepted.ticket)
        staged = Staged(order=order, manifest=manifest)
        state = self._state.taking(order).replace(staged=staged, last_ticket=used)
        self._go(Step.STAGED, state, order, now_utc)

    def _confirm(self, order: RolloutOrder, manifest: ReleaseManifest, now_utc: int) -> None:
        """The order names what already runs: drop any candidate; a trial continues under the new order."""
        state = self._state.taking(order).replace(staged=None, active=manifest)
        if self._state.trial is not None:
            self._save(state.replace(trial=order))
            return
        reason = SwapReason.ORDERED_BACK if order.downgrade else SwapReason.NONE
        receipt = self._receipt(order, SwapOutcome.INSTALLED, reason, now_utc)
        self._go(Step.COMMITTED, state.with_receipt(receipt), order, now_utc)

    def _note_refusal(self, refused: RefusedOrder, now_utc: int) -> None:
        if refused.order is None:
            self._save(self._state.with_receipt(self._forged_receipt(refused.reason, now_utc)))
            return
        state = self._state.taking(refused.order) if refused.used_up else self._state
        receipt = self._receipt(refused.order, SwapOutcome.REFUSED, refused.reason, now_utc)
        self._go(Step.REFUSED, state.with_receipt(receipt), refused.order, now_utc)

    def _recover(self, now_utc: int) -> None:
        """Bring the store to exactly one valid active model, which is not the one on trial."""
        self._drop_stuck(now_utc)
        state = self._state
        if state.trial is not None and state.starts_in_trial >= MAX_STARTS_IN_TRIAL:
            self.roll_back(SwapReason.CRASHED, now_utc)
        elif state.trial is not None and state.trial.downgrade:
            self._save(state.replace(starts_in_trial=state.starts_in_trial + 1))
        elif state.trial is not None and state.active is not None:
            self._try_again(state.trial, state.active, now_utc)
        elif (counted := state.started(now_utc)) != state:
            self._save(counted)
            if counted.ends_the_process:
                self.roll_back(SwapReason.CRASHED, now_utc)
        active = self._state.active
        if active is not None and not self._repaired(active):
            logger.error("active model %s is damaged on disk; going back", active.digest[:12])
            self.roll_back(SwapReason.WRONG_DIGEST, now_utc)
        self._sweep()

    def _try_again(self, order: RolloutOrder, manifest: ReleaseManifest, now_utc: int) -> None:
        """The process ended during a trial: the model before serves, and the trial begins again.

        Not after an order back: then the model before is the one that the operator refused.
        """
        state = self._state
        again = Staged(order=order, manifest=manifest, loads=state.starts_in_trial)
        state = state.replace(active=state.previous, previous=None, staged=state.staged or again)
        self._go(Step.STAGED, state.replace(trial=None, starts_in_trial=0), order, now_utc)

    def _drop_stuck(self, now_utc: int) -> None:
        """The process was ended because a model kept a thread for good: that model has failed."""
        path, state = self._place.folder / STUCK_FILE, self._state
        try:
            digest = path.read_text("ascii", errors="replace").strip()
        except FileNotFoundError:
            return
        if state.staged is not None and state.staged.manifest.digest == digest:
            self.refuse(SwapReason.SELF_TEST_FAILED, now_utc)
        elif state.active is not None and state.active.digest == digest and (state.trial or state.previous):
            self.roll_back(SwapReason.CRASHED, now_utc)
        path.unlink(missing_ok=True)

    def _repaired(self, manifest: ReleaseManifest) -> bool:
        """Whether a model is whole on disk, or could be made so again from the mirror."""
        path = self._place.model_path(manifest)
        if is_whole(path, manifest):
            return True
        try:
            write_atomically(path, self._orders.releases.weights(manifest))
        except (BlobError, TrustError):
            return False
        return True

    def _forged_receipt(self, reason: SwapReason, now_utc: int) -> SwapReceipt:
        """A receipt for an order without a valid signature: it repeats nothing of the order."""
        active = self._state.active
        return SwapReceipt(
            sequence=0,
            digest=NO_DIGEST,
            previous_digest=active.digest if active else None,
            channel=Channel.SERVICE,
            outcome=SwapOutcome.REFUSED,
            reason=reason,
            frames_lost=0,
            at_utc=now_utc,
        )

    def _receipt(
        self,
        order: RolloutOrder,
        outcome: SwapOutcome,
        reason: SwapReason,
        now_utc: int,
        frames_lost: int = 0,
    ) -> SwapReceipt:
        """`previous_digest` is the other model of the story: what ran before, or what runs on."""
        in_trial = self._state.trial is not None and self._state.trial.sequence == order.sequence
        other = self._state.previous if in_trial else self._state.active
        return SwapReceipt(
            sequence=order.sequence,
            digest=order.digest,
            previous_digest=other.digest if other else None,
            channel=order.channel,
            outcome=outcome,
            reason=reason,
            frames_lost=frames_lost,
            at_utc=now_utc,
        )

    def _go(self, step: Step, state: WeightsState, order: RolloutOrder, now_utc: int) -> None:
        self._save(state)
        self._step(step, order, now_utc)
        self._sweep()

    def _step(self, step: Step, order: RolloutOrder, now_utc: int) -> None:
        self.journal.append(step, sequence=order.sequence, digest=order.digest, at_utc=now_utc)
        logger.info("order %d: %s %s %s", order.sequence, step, self._place.role, order.digest[:12])
        self._reached(step)

    def _save(self, state: WeightsState) -> None:
        write_state(self._state_path, state)
        self._state = state

    def _sweep(self) -> None:
        """Remove models that nothing names any more; what the disk does not remove goes with the next."""
        kept = {f"{digest}.onnx" for digest in self._state.digests}
        for path in (self._place.folder / "models").glob("*"):
            if path.name not in kept:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    logger.warning("a model that is not needed stays: %s", os_error_sentence(error))

    def _installed(self, manifest: ReleaseManifest | None) -> InstalledModel | None:
        return None if manifest is None else InstalledModel(manifest, self._place.model_path(manifest))
