"""The clock of a gate is set while it runs: hazards still leave, once, and the ledger can be verified.

Only the gate reads the clock that was set: its broker, a static program, and the node read the machine's.
"""

import asyncio
import time
from pathlib import Path

import pytest
from ulid import ULID

from edge.gate.ledger_entries import verify
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_hub, prepare_site
from messaging.nats.subjects import report_subject
from messaging.wire_format.codec import Message, encode, kind_of
from tests.support.brokers import Hub, Site, running_hub, running_site
from tests.support.edge.gates import gate_settings, outgoing_ids, start_gate, status_of
from tests.support.edge.ledger_counts import report_entries
from tests.support.faults.fleet import CloudIntake
from tests.support.messaging.samples import HAZARD
from tests.support.set_clock import SetClock
from tests.support.waiting import eventually

LIMIT_S = 60.0
HOUR_S, DAY_S = 3600, 86_400

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]


async def _report(site: Site) -> list[str]:
    """The node reports three hazards; their ids."""
    node, ids = await NatsBus.connect(site.node_link(), timeout_s=30.0), []
    for _ in range(3):
        now_utc = int(time.time())
        report = HAZARD.model_copy(update={"started_at_utc": now_utc, "at_utc": now_utc})
        message = Message(str(ULID()), site.name, now_utc, report)
        subject = report_subject(site.name, kind_of(report), message.id)
        await node.publish(subject, encode(message), message_id=message.id)
        ids.append(message.id)
    await node.close()
    return ids


@pytest.mark.parametrize(
    "steps",
    [(0, HOUR_S, 0), (0, -DAY_S, 0), (0, 600 - int(time.time()), 0)],
    ids=["an hour forward", "a day back", "to 1970"],
)
def test_hazards_leave_once_whatever_the_clock_was_set_to_meanwhile(
    tmp_path: Path, steps: tuple[int, ...]
) -> None:
    async def whole(hub: Hub, site: Site) -> None:
        cloud_bus, site_bus = await NatsBus.connect(hub.cloud_link()), await NatsBus.connect(site.gate_link())
        await prepare_hub(cloud_bus)
        await prepare_site(site_bus, site.name)
        await cloud_bus.close()
        await site_bus.close()
        settings = gate_settings(hub, site, tmp_path, receipt_timeout_s=5.0)
        clock, sent = SetClock(tmp_path / "clock"), list[str]()
        cloud, stop = CloudIntake(tmp_path / "cloud.sqlite", hub), asyncio.Event()

        def reads_it() -> bool:
            return abs(float(status_of(settings).get("at_utc", 0)) - clock.now_utc) < 60

        running = asyncio.create_task(cloud.run(stop))
        gate = start_gate(settings, tmp_path, clock.environment)
        try:
            for offset_s in steps:
                clock.set(offset_s)
                await eventually(reads_it, LIMIT_S, "the gate reads the clock that was set")
                sent.extend(await _report(site))
                await eventually(lambda: cloud.stored == len(sent), LIMIT_S, "the hazards are there")
            assert gate.poll() is None, "the gate ended"
        finally:
            gate.terminate()
            await asyncio.to_thread(gate.wait, 30)
            stop.set()
            await running
            ids = cloud.ids()
            cloud.close()
        assert sorted(ids) == sorted(outgoing_ids(settings, sent))
        assert sum(report_entries(settings.data_folder / "ledger").values()) == len(sent)
        assert verify(settings.data_folder / "ledger").head.n >= len(sent)

    with running_hub(tmp_path) as hub, running_site(tmp_path, "s1") as site:
        asyncio.run(whole(hub, site))
