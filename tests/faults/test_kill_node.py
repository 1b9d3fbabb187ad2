"""kill -9 of a real node and of its gate in mid-stream: the site recovers, the other site never notices."""

import asyncio
import itertools
from pathlib import Path

import pytest

from edge.gate.ledger import verify
from tests.support.brokers import Site, running_hub, running_site
from tests.support.edge.gates import gate_settings
from tests.support.faults.fleet import Consumer, Nemesis
from tests.support.faults.two_sites import RealNode, accepted, prepare, until, write_film

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1800)]


def test_a_killed_node_and_a_killed_gate_lose_no_report_and_hurt_no_other_node(tmp_path: Path) -> None:
    _survives(tmp_path, node=1, gate=1)


@pytest.mark.slow
def test_six_deaths_of_node_and_gate_lose_no_report_and_hurt_no_other_node(tmp_path: Path) -> None:
    _survives(tmp_path, node=3, gate=3)


def _survives(folder: Path, *, node: int, gate: int) -> None:
    film = write_film(folder / "film.mp4")
    with running_hub(folder) as hub, running_site(folder, "s1") as one, running_site(folder, "s2") as two:
        asyncio.run(prepare(hub, one, two))
        settings = gate_settings(hub, one, folder, ack_wait_s=3.0, timeout_s=2.0)
        nemesis = Nemesis(hub, one, settings, folder)
        consumer = Consumer(folder / "store.sqlite", hub)
        victim, witness = (
            RealNode(one, folder / "n1", film, cameras=3),
            RealNode(two, folder / "n2", film, cameras=1),
        )
        story = Story(one, nemesis, consumer, victim, witness)
        try:
            asyncio.run(story.play(["node"] * node, ["gate"] * gate))
        finally:
            for running in (victim, witness):
                running.kill()
            nemesis.stop()
        arrived = consumer.ids()
        assert len(arrived) == len(set(arrived)) == story.accepted
        totals = verify(settings.data_folder / "ledger").by_kind
        listed = {kind: total.count for kind, total in totals.items() if kind != "heartbeat"}
        assert sum(listed.values()) == story.accepted
        assert listed["hazard"] > 0
        assert victim.log().count(": committed ") == 1, "the model was fetched once and survived the kills"


class Story:
    """What happens in order, and what must hold after each death."""

    def __init__(
        self, site: Site, nemesis: Nemesis, consumer: Consumer, victim: RealNode, witness: RealNode
    ) -> None:
        self._site, self._nemesis, self._consumer = site, nemesis, consumer
        self._victim, self._witness = victim, witness
        self.accepted = 0

    async def play(self, nodes: list[str], gates: list[str]) -> None:
        """Deaths in turn; then the node is let end, and everything accepted must arrive."""
        stop = asyncio.Event()
        consuming = asyncio.create_task(self._consumer.run(stop))
        await self._more_reports("first reports came")
        await until("its model serves for good", lambda: ": committed " in self._victim.log())
        await until("the other node looks", lambda: self._witness.frames() > 0)
        for death in itertools.chain.from_iterable(itertools.zip_longest(nodes, gates)):
            if death == "node":
                await self._kill_node()
            elif death == "gate":
                await self._kill_gate()
        await asyncio.to_thread(self._victim.stop)
        self.accepted = await accepted(self._site)
        await until("all reports arrived", lambda: self._consumer.stored >= self.accepted)
        stop.set()
        await consuming

    async def _kill_node(self) -> None:
        self._victim.kill()
        assert self._victim.frames() == 0
        await self._witness_goes_on()
        self._victim.start()
        await self._more_reports("the restarted node reports again")

    async def _kill_gate(self) -> None:
        stored = await accepted(self._site)
        self._nemesis.kill_gate()
        await self._witness_goes_on()
        await self._more_reports("the restarted gate forwards again")
        assert await accepted(self._site) > stored

    async def _witness_goes_on(self) -> None:
        seen = self._witness.frames()
        await until("the other node goes on", lambda: self._witness.frames() >= seen + 5)

    async def _more_reports(self, what: str) -> None:
        before = self._consumer.stored
        await until(what, lambda: self._consumer.stored >= before + 4)
