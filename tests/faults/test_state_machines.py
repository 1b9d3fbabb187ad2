"""Ledger and model store against a model of them, in random order of use and crashes (hypothesis)."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from edge.errors import LedgerBroken
from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import HEAD_FILE, LEDGER_FILE, Outgoing, verify
from edge.updates.weights_state import Step
from edge.updates.weights_store import WeightsStore
from messaging.blobs import digest_of
from messaging.errors import MessageRefused
from messaging.reports import SwapReason
from messaging.trust.manifest import ReleaseManifest
from tests.support.messaging.site_keys import site_key
from tests.support.release_fleet import Fleet

few = settings(
    max_examples=15, stateful_step_count=25, database=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


class Crashed(Exception):
    """The process ends here."""


class LedgerMachine(RuleBasedStateMachine):
    """The model: the bytes of each message id, in the order in which they were listed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="blindspot-ledger-"))
        self.ledger = Ledger(self.folder, site_key("s1"))
        self.listed: dict[str, bytes] = {}

    @rule(ids=st.lists(st.integers(0, 30), min_size=1, max_size=5), data=st.binary(max_size=4))
    def append(self, ids: list[int], data: bytes) -> None:
        going = [Outgoing(f"id{n}", "subject", "hazard", data) for n in dict.fromkeys(ids)]
        if any(self.listed.get(one.message_id, data) != data for one in going):
            with pytest.raises(MessageRefused, match="used before for other bytes"):
                self.ledger.append(going, 1_800_000_000)
            return
        entries = self.ledger.append(going, 1_800_000_000)
        self.listed.update((one.message_id, data) for one in going)
        order = list(self.listed)
        assert [entry.n for entry in entries] == [order.index(one.message_id) + 1 for one in going]

    @rule(torn=st.sampled_from((b"", b"{", b'{"at_utc":1', b"\0\0\0\0")))
    def crash(self, torn: bytes) -> None:
        """The process ends without closing, while it writes an entry."""
        copy = self.folder.with_name(self.folder.name + "x")
        shutil.copytree(self.folder, copy)
        self.ledger.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        with (self.folder / LEDGER_FILE).open("ab") as file:
            file.write(torn)
        self.ledger = Ledger(self.folder, site_key("s1"))

    @precondition(lambda self: self.listed)
    @rule(place=st.integers(0, 10_000), bit=st.integers(0, 7))
    def change(self, place: int, bit: int) -> None:
        """A copy in which one bit differs is refused."""
        copy = Path(tempfile.mkdtemp(prefix="blindspot-changed-"))
        data = bytearray((self.folder / LEDGER_FILE).read_bytes())
        data[place % len(data)] ^= 1 << bit
        (copy / LEDGER_FILE).write_bytes(data)
        shutil.copy(self.folder / HEAD_FILE, copy)
        with pytest.raises(LedgerBroken):
            verify(copy, None, [self.ledger.head])
        shutil.rmtree(copy)

    @invariant()
    def every_message_is_listed_once(self) -> None:
        assert self.ledger.head.n == len(self.listed)
        if self.listed:
            summary = verify(self.folder, None, [self.ledger.head])
            assert summary.by_kind["hazard"].count == len(self.listed)
            last = self.ledger.entry(len(self.listed))
            assert last is not None
            assert last.sha256 == digest_of(list(self.listed.values())[-1])

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.folder)


class ModelsMachine(RuleBasedStateMachine):
    """The model: releases that were signed, and whether the node crashes at the next step of an update."""

    @initialize()
    def begin(self) -> None:
        self.fleet = Fleet(Path(tempfile.mkdtemp(prefix="blindspot-models-")))
        self.crash_at: Step | None = None
        self.floor = 0
        self.store = self._opened()
        self.signed = [self.fleet.release("r0")]
        self.fleet.order(self.signed[0].digest)
        self.store.poll(self.fleet.now)
        self.store.install(self.fleet.now)
        self.store.commit(self.fleet.now)

    def _opened(self) -> WeightsStore:
        return WeightsStore(self.fleet.place(), now_utc=self.fleet.now, reached=self._reached)

    def _reached(self, step: Step) -> None:
        if step is self.crash_at:
            self.crash_at = None
            raise Crashed

    def _do(self, act: str, *arguments: object) -> None:
        try:
            getattr(self.store, act)(*arguments, self.fleet.now)
        except Crashed:
            self.store = self._opened()

    @rule()
    def release(self) -> None:
        self.signed.append(self.fleet.release(f"r{len(self.signed)}"))
        self.fleet.order(self.signed[-1].digest)

    @rule(which=st.integers(0, 20))
    def order_back(self, which: int) -> None:
        self.fleet.order(self.signed[which % len(self.signed)].digest, downgrade=True)

    @rule(step=st.sampled_from(list(Step)))
    def will_crash(self, step: Step) -> None:
        self.crash_at = step

    @rule()
    def restart(self) -> None:
        self.crash_at = None
        self.store = self._opened()

    @rule()
    def poll(self) -> None:
        self._do("poll")

    @rule()
    def load(self) -> None:
        self._do("begin_load")

    @rule()
    def install(self) -> None:
        self._do("install")

    @rule()
    def commit(self) -> None:
        self._do("commit")

    @rule()
    def fail(self) -> None:
        if self.store.previous() is not None:
            self._do("roll_back", SwapReason.CRASHED)

    @invariant()
    def one_whole_signed_model_is_active(self) -> None:
        if not hasattr(self, "store"):
            return
        active = self.store.active()
        assert active is not None
        assert _is_signed(active.manifest, self.signed)
        assert digest_of(self.store.read(active)) == active.digest
        state = self.store.state
        assert state.version_floor >= self.floor
        self.floor = state.version_floor
        on_disk = {path.stem for path in (self.fleet.folder / "node" / "models").glob("*.onnx")}
        assert on_disk == state.digests

    def teardown(self) -> None:
        if hasattr(self, "fleet"):
            shutil.rmtree(self.fleet.folder)


def _is_signed(manifest: ReleaseManifest, signed: list[ReleaseManifest]) -> bool:
    return any(manifest == one for one in signed)


def test_the_ledger_lists_every_message_once_whatever_happens() -> None:
    run_state_machine_as_test(LedgerMachine, settings=few)


def test_exactly_one_whole_and_signed_model_is_active_whatever_happens() -> None:
    run_state_machine_as_test(ModelsMachine, settings=few)
