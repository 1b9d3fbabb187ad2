"""Random histories of gate, hub and intake in memory: nothing acknowledged is lost or counted twice."""

import asyncio
import contextlib
import random
from pathlib import Path

import pytest
from sqlalchemy import select

from cloud.fleet.intake import Intake
from cloud.store.report_records import StoredReport
from edge.gate.sent_lane import LONGEST_WAIT_S
from messaging.errors import WireError
from messaging.reports import Report
from messaging.wire_format.codec import Lane
from tests.support.cloud.intakes import intake_of
from tests.support.cloud.sample_reports import MINUTE, open_store
from tests.support.edge.gate_stage import GateStage, outgoing_id, report_id, subject_and_data
from tests.support.messaging.samples import HAZARD, MISDETECTION

STEPS = 150
ROUNDS_OF_REST = 60
REPORTS: tuple[Report, ...] = (
    HAZARD.model_copy(update={"started_at_utc": MINUTE, "at_utc": MINUTE}),
    MISDETECTION.model_copy(update={"minute_utc": MINUTE}),
)


class History:
    """One fleet of one site, and what its node handed over."""

    def __init__(self, folder: Path, seed: int, *, sends_again: bool) -> None:
        self.chance = random.Random(seed)
        self.stage = GateStage(folder / "gate")
        self.sends_again = sends_again
        self.database, _ = open_store(folder)
        self.accepted: list[str] = []
        self.numbers = 0
        self.intake = self._intake()

    def _intake(self) -> Intake:
        return intake_of(self.stage.hub, self.database, batch=7)

    async def run(self) -> None:
        await self.stage.prepare()
        actions = [self.report] * 6 + [self.forward] * 4 + [self.read] * 3 + [self.care] * 2
        actions += [self.break_off, self.restart, self.intake_killed, self.rubbish, self.replace_hub]
        for _ in range(STEPS):
            self.stage.now_s += self.chance.uniform(0.0, 20.0)
            await self.chance.choice(actions)()
        for _ in range(ROUNDS_OF_REST):
            self.stage.now_s += LONGEST_WAIT_S
            for work in (self.forward, self.read, self.care):
                await work()

    async def report(self) -> None:
        self.numbers += 1
        await self.stage.put(self.numbers, self.chance.choice(REPORTS))
        self.accepted.append(outgoing_id(self.numbers))

    async def rubbish(self) -> None:
        """A message that the gate refuses: never sent, and no gap for the others."""
        self.numbers += 1
        subject, _ = subject_and_data(self.numbers, HAZARD)
        await self.stage.site.publish(subject, b"\xff\xd8", message_id=report_id(self.numbers))

    async def forward(self) -> None:
        for lane in (Lane.HAZARDS, Lane.EVIDENCE):
            with contextlib.suppress(WireError):
                await self.stage.uplink.forward(lane)

    async def break_off(self) -> None:
        self.stage.hub.messages_left = self.chance.randrange(4)
        await self.forward()
        self.stage.hub.messages_left = 10**9

    async def care(self) -> None:
        await self.stage.receipts.take()
        while self.sends_again and await self.stage.uplink.send_again():
            pass

    async def restart(self) -> None:
        self.stage.restart()

    async def read(self) -> None:
        await self.intake.read_batch(timeout_s=0.0)

    async def intake_killed(self) -> None:
        """Killed somewhere in a batch: what was committed is delivered again to the next process."""
        self.stage.hub.messages_left = self.chance.randrange(2)
        with contextlib.suppress(WireError):
            await self.read()
        self.stage.hub.messages_left = 10**9
        self.intake = self._intake()

    async def replace_hub(self) -> None:
        await self.stage.replace_hub()
        self.intake = self._intake()

    def stored(self) -> list[str]:
        with self.database.reading() as session:
            return list(session.scalars(select(StoredReport.message_id)))


@pytest.mark.parametrize("seed", range(6))
def test_nothing_acknowledged_is_lost_or_counted_twice(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path, seed, sends_again=True)

    async def whole() -> None:
        await history.run()
        assert sorted(history.stored()) == sorted(history.accepted)
        assert await history.stage.kept(Lane.HAZARDS) == 0
        assert await history.stage.kept(Lane.EVIDENCE) == 0
        assert history.stage.receipts.counts.fault == ""

    asyncio.run(whole())
    history.database.close()


def test_the_same_histories_lose_reports_when_nothing_is_sent_again(tmp_path: Path) -> None:
    """The control run: these histories do lose disks with reports that nobody else has."""
    lost = 0
    for seed in range(3):
        history = History(tmp_path / str(seed), seed, sends_again=False)
        asyncio.run(history.run())
        lost += len(set(history.accepted) - set(history.stored()))
        history.database.close()
    assert lost > 0
