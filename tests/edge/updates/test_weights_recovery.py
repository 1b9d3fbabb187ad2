"""Crashes, kills at any step and damage on disk: one valid model stays, and the next order works."""

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.updates import weights_store
from edge.updates.weights_state import MAX_STARTS, Step
from edge.updates.weights_store import MAX_LOADS, MAX_STARTS_IN_TRIAL, Action, WeightsStore, note_stuck
from messaging.errors import StateFileBroken
from messaging.releases import Channel
from messaging.reports import SwapOutcome, SwapReason
from messaging.trust.manifest import ReleaseManifest
from tests.support.edge.weights_site import assert_refused, drain, in_service, models_on_disk, opened
from tests.support.release_fleet import NOW, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_a_model_on_probation_is_rolled_back_and_its_order_is_not_tried_again(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    store.poll(NOW)
    store.install(NOW)
    store.roll_back(SwapReason.CRASHED, NOW)
    receipt = drain(store)[-1]
    assert (receipt.outcome, receipt.reason) == (SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)
    assert (receipt.digest, receipt.previous_digest) == (two.digest, one.digest)
    reopened = opened(fleet)
    assert reopened.poll(NOW).action is Action.NOTHING
    assert models_on_disk(fleet) == {one.digest}


def test_a_model_that_kills_the_process_while_loading_is_refused_in_the_end(fleet: Fleet) -> None:
    _, one = in_service(fleet)
    fleet.order(fleet.release("two").digest)
    for _ in range(MAX_LOADS):
        store = opened(fleet)
        assert store.poll(NOW).action is Action.INSTALL
        assert store.begin_load(NOW) is not None
    store = opened(fleet)
    store.poll(NOW)
    assert store.begin_load(NOW) is None
    assert_refused(fleet, store, one, SwapReason.CRASHED)


def test_after_a_kill_on_probation_the_model_before_is_active_and_the_trial_is_staged_again(
    fleet: Fleet,
) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    for _ in range(MAX_STARTS_IN_TRIAL):
        store.poll(NOW)
        store.begin_load(NOW)
        store.install(NOW)
        store = opened(fleet)
        assert store.state.active == one
    assert store.state.staged is None
    assert models_on_disk(fleet) == {one.digest}
    assert store.receipts()[-1].reason is SwapReason.CRASHED


def _replaced(fleet: Fleet) -> tuple[WeightsStore, ReleaseManifest, ReleaseManifest]:
    """A store whose second model has passed its probation, the model before and that one."""
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    store.poll(NOW)
    store.begin_load(NOW)
    store.install(NOW)
    store.commit(NOW)
    return store, one, two


def test_a_model_that_ends_the_process_again_and_again_after_its_probation_goes_back(fleet: Fleet) -> None:
    _, one, two = _replaced(fleet)
    for start in range(1, MAX_STARTS):
        store = WeightsStore(fleet.place(), now_utc=NOW + 60 * start)
        assert store.state.active == two
    store = WeightsStore(fleet.place(), now_utc=NOW + 60 * MAX_STARTS)
    assert store.state.active == one
    receipt = store.receipts()[-1]
    assert (receipt.digest, receipt.outcome) == (two.digest, SwapOutcome.ROLLED_BACK)
    assert receipt.reason is SwapReason.CRASHED
    for _ in range(MAX_STARTS):
        assert opened(fleet).state.active == one, "there is none before it, so it stays"


@pytest.mark.parametrize(
    ("starts_at", "asked"),
    [
        pytest.param([60, 120, 180, 240], True, id="stopped in between"),
        pytest.param([0, 400, 800, 1200, 1600], False, id="never three in ten minutes"),
        pytest.param([86_401, 86_402, 86_403, 86_404], False, id="a day after the swap"),
        pytest.param([-4, -3, -2, -1], False, id="the clock was set back"),
    ],
)
def test_starts_that_are_not_the_fault_of_a_new_model_leave_it_in_service(
    fleet: Fleet, starts_at: list[int], asked: bool
) -> None:
    _, _, two = _replaced(fleet)
    for at_s in starts_at:
        store = WeightsStore(fleet.place(), now_utc=NOW + at_s)
        assert store.state.active == two
        if asked:
            store.stopped()


@pytest.mark.parametrize("installed", [True, False])
def test_a_model_that_kept_a_thread_for_good_is_out_after_the_restart(fleet: Fleet, installed: bool) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    store.poll(NOW)
    store.begin_load(NOW)
    if installed:
        store.install(NOW)
    note_stuck(fleet.folder / "node", two.digest)
    store = opened(fleet)
    assert store.state.active == one
    assert store.state.staged is None
    (receipt,) = store.receipts()
    assert (receipt.outcome, receipt.reason) == (
        (SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)
        if installed
        else (SwapOutcome.REFUSED, SwapReason.SELF_TEST_FAILED)
    )
    assert len(opened(fleet).receipts()) == 1


def test_a_stuck_model_that_is_the_only_one_and_passed_its_trial_is_started_again(fleet: Fleet) -> None:
    _, one = in_service(fleet)
    note_stuck(fleet.folder / "node", one.digest)
    assert opened(fleet).state.active == one
    assert not opened(fleet).receipts()


def test_an_active_model_damaged_on_disk_is_restored_from_the_mirror(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    active = store.active()
    assert active is not None
    active.path.write_bytes(b"damaged")
    again = opened(fleet)
    assert again.read(active) == fleet.target(one).read_bytes()
    assert not again.receipts()


def test_an_active_model_that_cannot_be_restored_is_replaced_by_the_previous(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    store.poll(NOW)
    store.install(NOW)
    store.commit(NOW)
    drain(store)
    active = store.active()
    assert active is not None
    active.path.write_bytes(b"damaged")
    fleet.target(two).unlink()
    again = opened(fleet).active()
    assert again is not None
    assert again.digest == one.digest
    assert opened(fleet).receipts()[-1].reason is SwapReason.WRONG_DIGEST


def test_a_damaged_state_file_is_named_with_its_remedy(fleet: Fleet) -> None:
    in_service(fleet)
    path = fleet.folder / "node" / "state.json"
    path.write_text("{")
    with pytest.raises(StateFileBroken, match="restore it from a backup, or remove the folder"):
        opened(fleet)


class Killed(BaseException):
    """The power was cut."""


@pytest.mark.parametrize("step", list(Step))
def test_killed_at_any_step_there_is_one_valid_model_and_orders_are_carried_out(
    fleet: Fleet, step: Step
) -> None:
    _, one = in_service(fleet)
    two = fleet.release("two", Channel.TRIAL)
    three = fleet.release("three")
    killed, hours = 0, itertools.count()

    def cut(reached: Step) -> None:
        if reached is step:
            raise Killed

    for digest, channel in (
        (two.digest, Channel.TRIAL),
        (two.digest, Channel.SERVICE),
        (three.digest, Channel.SERVICE),
        ("cd" * 32, Channel.SERVICE),
    ):
        if channel is Channel.SERVICE and digest == two.digest:
            fleet.promote(two)
        fleet.order(digest, channel)
        for reached in (cut, cut, lambda step: None):
            try:
                _carry_out(WeightsStore(fleet.place(), now_utc=_hour(hours), reached=reached))
            except Killed:
                killed += 1
            store = WeightsStore(fleet.place(), now_utc=_hour(hours))
            active = store.active()
            assert active is not None
            assert active.digest in {one.digest, two.digest, three.digest}
            assert store.read(active) == fleet.target(active.manifest).read_bytes()
    final = opened(fleet)
    active = final.active()
    assert killed
    assert active is not None
    assert active.digest == two.digest
    assert models_on_disk(fleet) == {two.digest}
    assert final.state.trial is None
    assert [(r.outcome, r.reason) for r in final.receipts()] == [
        (SwapOutcome.SHADOWING, SwapReason.NONE),
        (SwapOutcome.INSTALLED, SwapReason.NONE),
        (SwapOutcome.ROLLED_BACK, SwapReason.CRASHED),
        (SwapOutcome.REFUSED, SwapReason.UNKNOWN_RELEASE),
    ]


def _hour(hours: Iterator[int]) -> int:
    """The next start is an hour later, so that no model is blamed for it."""
    return NOW + 3600 * next(hours)


def _carry_out(store: WeightsStore) -> None:
    """What a node would do; a model named three fails in probation."""
    decision = store.poll(NOW)
    if decision.action is Action.SHADOW:
        store.begin_load(NOW)
        store.shadow_begun(NOW)
    elif decision.action is Action.INSTALL:
        store.begin_load(NOW)
        store.install(NOW)
    active = store.active()
    if store.state.trial is not None and active is not None:
        if active.manifest.name == "three":
            store.roll_back(SwapReason.CRASHED, NOW)
        else:
            store.commit(NOW)


def test_an_order_whose_weights_the_disk_refuses_is_carried_out_once_there_is_room(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as trouble:
        trouble.setattr(weights_store, "write_atomically", full)
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                store.poll(fleet.now)
    assert store.poll(fleet.now).action is Action.INSTALL
    staged = store.staged()
    assert staged is not None
    assert staged.digest == two.digest


def test_a_journal_that_the_disk_refuses_does_not_stop_an_update(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    store, _ = in_service(fleet)
    journal = fleet.folder / "node" / "journal.jsonl"
    journal.unlink()
    journal.mkdir()
    two = fleet.release("two")
    fleet.order(two.digest)
    assert store.poll(fleet.now).action is Action.INSTALL
    store.install(fleet.now)
    active = store.active()
    assert active is not None
    assert active.digest == two.digest
    assert "is missing in the journal" in caplog.text
