"""A flood of legal reports is shed at its cap, counted, and takes nothing from other cameras or hazards."""

import asyncio
from pathlib import Path

import pytest

from edge.gate.limits.count_caps import COUNT_LIMITS, SITE, CountCaps
from edge.gate.limits.kept_buckets import CountLimit, KeptBuckets
from edge.gate.settings import GateSettings
from messaging.nats.subjects import FLEET_REPORTS
from messaging.reports import Misdetection
from messaging.wire_format.codec import PAYLOADS, Lane, Message, decode, encode
from tests.support.edge.gate_stage import NOW_UTC, GateStage, outgoing_id, report_id
from tests.support.messaging.samples import HAZARD, MISDETECTION, SHADOW

NOW = int(NOW_UTC)
DAY_S = 86_400
FIVE = {"misdetection": CountLimit(at_once=5, per_day=10), "hazard": CountLimit(at_once=3, per_day=10)}


def _caps(counts: dict[str, CountLimit]) -> CountCaps:
    return CountCaps(KeptBuckets({**COUNT_LIMITS, **counts}))


class Stage(GateStage):
    """A gate with few reports a day."""

    async def begin(self) -> None:
        self.counts = {**self.counts, **FIVE}
        self.restart()
        await self.prepare()

    async def arrived(self) -> list[Message]:
        found = await self.hub.pull(FLEET_REPORTS, "test", batch=1000, timeout_s=0.0)
        return [decode(one.data) for one in found]

    async def put_mixed(self, n: int, *cameras: str) -> None:
        """One message with a report of each of these cameras."""
        reports = [MISDETECTION.model_copy(update={"camera": camera}) for camera in cameras]
        message = Message(report_id(n), "s1", NOW, reports[0], tuple(reports[1:]))
        subject = f"site.s1.report.misdetection.{report_id(n)}"
        await self.site.publish(subject, encode(message), message_id=message.id)


def test_a_flood_of_one_camera_is_shed_and_counted_and_other_cameras_leave(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        await stage.begin()
        for n in range(8):
            await stage.put(n, MISDETECTION)
        await stage.put_mixed(8, "north", "south", "south")
        await stage.uplink.forward(Lane.EVIDENCE)
        arrived = await stage.arrived()
        assert [one.id for one in arrived] == [outgoing_id(n) for n in (0, 1, 2, 3, 4, 8)]
        cameras = [r.camera for r in arrived[-1].reports if isinstance(r, Misdetection)]
        assert cameras == ["south", "south"]
        assert stage.uplink.counts.shed == {"misdetection": 4}
        assert await stage.uplink.forward(Lane.EVIDENCE) == 0, "what is shed does not come again"
        await stage.put(20, HAZARD)
        assert await stage.uplink.forward(Lane.HAZARDS) == 1
        stage.ledger.close()

    asyncio.run(scenario())


def test_what_left_without_a_shed_camera_is_sent_again_as_it_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        await stage.begin()
        for n in range(5):
            await stage.put(n, MISDETECTION)
        await stage.put_mixed(5, "north", "south")
        await stage.uplink.forward(Lane.EVIDENCE)
        before = [encode(one) for one in await stage.arrived()]
        stage.restart()
        await stage.replace_hub()
        await stage.receipts.take()
        stage.now_s += 100.0
        await stage.uplink.send_again()
        assert [encode(one) for one in await stage.arrived()] == before
        assert stage.ledger.head.n == 6
        stage.ledger.close()

    asyncio.run(scenario())


def test_the_same_report_sent_twice_by_the_node_is_charged_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        await stage.begin()
        stage.hub.messages_left = 0
        for n in range(5):
            await stage.put(n, MISDETECTION)
        for _ in range(4):
            with pytest.raises(Exception, match="does not respond"):
                await stage.uplink.forward(Lane.EVIDENCE)
            stage.now_s += 1.0
        stage.hub.messages_left = 100
        await stage.uplink.forward(Lane.EVIDENCE)
        assert len(await stage.arrived()) == 5
        assert not stage.uplink.counts.shed
        stage.ledger.close()

    asyncio.run(scenario())


def test_what_waited_for_three_days_has_the_allowance_of_three_days() -> None:
    caps = _caps({"misdetection": CountLimit(at_once=10, per_day=10)})
    left = 0
    for hour in range(72):
        stored = NOW + hour * 3600
        if not caps.over("misdetection", [MISDETECTION], stored):
            caps.charge("misdetection", [MISDETECTION], stored)
            left += 1
    assert left == 10 + 29


def test_a_clock_that_jumps_ahead_gives_no_more_than_the_bucket_holds() -> None:
    caps = _caps({"misdetection": CountLimit(at_once=10, per_day=10)})
    caps.charge("misdetection", [MISDETECTION] * 10, NOW)
    assert caps.over("misdetection", [MISDETECTION], NOW) == {"north"}
    assert not caps.over("misdetection", [MISDETECTION] * 10, NOW + 3650 * DAY_S)
    assert caps.over("misdetection", [MISDETECTION] * 11, NOW + 3650 * DAY_S) == frozenset(), "a full bucket"
    caps.charge("misdetection", [MISDETECTION] * 11, NOW + 3650 * DAY_S)
    assert caps.over("misdetection", [MISDETECTION], NOW) == {"north"}, "and the clock does not go back"


def test_rows_of_shadow_reports_are_charged_to_the_site() -> None:
    caps = _caps({"shadow": CountLimit(at_once=3, per_day=1)})
    row = SHADOW.tallies[0]
    two = SHADOW.model_copy(update={"tallies": (row, row)})
    caps.charge("shadow", [two], NOW)
    assert caps.over("shadow", [two], NOW) == {SITE}
    assert not caps.over("shadow", [SHADOW], NOW)


def test_every_kind_that_travels_as_a_message_has_a_cap_and_hazards_have_their_own() -> None:
    assert COUNT_LIMITS.keys() == {kind for kind, row in PAYLOADS.items() if row.lane is not Lane.LATEST}
    caps = _caps({})
    caps.charge("misdetection", [MISDETECTION] * 10_000, NOW)
    assert not caps.over("hazard", [HAZARD] * COUNT_LIMITS["hazard"].at_once, NOW)


def test_a_cap_of_a_kind_that_does_not_exist_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="no reports of kind 'hazzard' are counted"):
        GateSettings._kinds_have_caps({"hazzard": CountLimit(at_once=1, per_day=1)})
