"""kill -9 of a real node and of its gate in mid-stream: the site recovers, the other site is not affected."""

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.support.brokers import Site, running_hub, running_site
from tests.support.edge.gates import gate_settings
from tests.support.edge.ledger_counts import report_entries
from tests.support.faults.fleet import CloudIntake, FaultInjector
from tests.support.faults.two_sites import RealNode, accepted, prepare, write_video
from tests.support.waiting import eventually

LIMIT_S = 400.0

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1800)]


@pytest.mark.slow
def test_a_killed_node_and_a_killed_gate_lose_no_report_and_affect_no_other_node(tmp_path: Path) -> None:
    _survives(tmp_path, node=1, gate=1)


@pytest.mark.slow
def test_six_kills_of_node_and_gate_lose_no_report_and_affect_no_other_node(tmp_path: Path) -> None:
    _survives(tmp_path, node=3, gate=3)


def _survives(folder: Path, *, node: int, gate: int) -> None:
    video = write_video(folder / "video.mp4")
    with running_hub(folder) as hub, running_site(folder, "s1") as one, running_site(folder, "s2") as two:
        asyncio.run(prepare(hub, one, two))
        settings = gate_settings(hub, one, folder, ack_wait_s=3.0, timeout_s=2.0)
        injector = FaultInjector(hub, one, settings, folder)
        consumer = CloudIntake(folder / "store.sqlite", hub)
        victim, other = (
            RealNode(one, folder / "n1", video, cameras=3),
            RealNode(two, folder / "n2", video, cameras=1),
        )
        run = FaultRun(one, injector, consumer, victim, other)
        try:
            asyncio.run(run.kill_in_turn(["node"] * node, ["gate"] * gate))
        finally:
            for running in (victim, other):
                running.kill()
            injector.stop()
        arrived = consumer.ids()
        assert len(arrived) == len(set(arrived)) == run.accepted
        listed = report_entries(settings.data_folder / "ledger")
        assert sum(listed.values()) == run.accepted
        assert listed["hazard"] > 0
        assert victim.log().count(": committed ") == 1, "the model was fetched once and survived the kills"


class FaultRun:
    """Kills of the node and the gate in turn, and what must hold after each."""

    def __init__(
        self, site: Site, injector: FaultInjector, consumer: CloudIntake, victim: RealNode, other: RealNode
    ) -> None:
        self._site, self._injector, self._consumer = site, injector, consumer
        self._victim, self._other = victim, other
        self.accepted = 0

    async def kill_in_turn(self, nodes: list[str], gates: list[str]) -> None:
        """Kill in turn; then stop the node, and wait until every accepted report has arrived."""
        stop = asyncio.Event()
        consuming = asyncio.create_task(self._consumer.run(stop))
        await self._more_reports("the first reports arrived")
        await eventually(lambda: ": committed " in self._victim.log(), LIMIT_S, "its model is committed")
        await eventually(lambda: self._other.frames() > 0, LIMIT_S, "the other node processes frames")
        for kill in itertools.chain.from_iterable(itertools.zip_longest(nodes, gates)):
            if kill == "node":
                await self._kill_node()
            elif kill == "gate":
                await self._kill_gate()
        await asyncio.to_thread(self._victim.stop)
        self.accepted = await accepted(self._site)
        await eventually(lambda: self._consumer.stored >= self.accepted, LIMIT_S, "all reports arrived")
        stop.set()
        await consuming

    async def _kill_node(self) -> None:
        self._victim.kill()
        assert self._victim.frames() == 0
        await self._other_node_continues()
        self._victim.start()
        await self._more_reports("the restarted node reports again")

    async def _kill_gate(self) -> None:
        stored = await accepted(self._site)
        self._injector.kill_gate()
        await self._other_node_continues()
        await self._more_reports("the restarted gate forwards again")
        assert await accepted(self._site) > stored

    async def _other_node_continues(self) -> None:
        seen = self._other.frames()
        await eventually(lambda: self._other.frames() >= seen + 5, LIMIT_S, "the other node continues")

    async def _more_reports(self, what: str) -> None:
        before = self._consumer.stored
        await eventually(lambda: self._consumer.stored >= before + 4, LIMIT_S, what)
