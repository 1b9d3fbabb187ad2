"""Caps: charged once for what the hub has, and none of evidence ever holds a hazard back."""

import asyncio
import functools
from pathlib import Path

import pytest

from edge.gate.limits import admission as admission_module
from edge.gate.rate_cap import ByteLimits, RateCap
from edge.gate.settings import GateSettings
from messaging.errors import WireError
from messaging.nats.subjects import HEARTBEATS
from messaging.reports import Report
from messaging.wire_format.codec import Lane
from tests.support.edge.gate_stage import GateStage, subject_and_data
from tests.support.messaging.samples import HAZARD, HEARTBEAT, PROTOTYPE

ATTEMPT_EVERY_S = 15.0
SHIPPED = {name: field.default for name, field in GateSettings.model_fields.items() if "bytes_per" in name}


class Stage(GateStage):
    """A gate with the shipped caps between a site and a hub."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            evidence=ByteLimits(SHIPPED["bytes_per_minute"], SHIPPED["bytes_per_day"]),
            hazards=ByteLimits(SHIPPED["hazard_bytes_per_minute"], SHIPPED["hazard_bytes_per_day"]),
        )

    @property
    def sent(self) -> int:
        return self.uplink.counts.forwarded["hazard"]

    async def prepare_with(self, reports: int, report: Report = HAZARD, *, times: int = 1) -> None:
        await self.prepare()
        for n in range(reports):
            await self.put(n, report, times=times)

    async def fail_for(self, seconds: float, lane: Lane) -> None:
        """Try in vain until `seconds` have passed."""
        self.hub.messages_left = 0
        while self.now_s < seconds:
            with pytest.raises(WireError):
                await self.uplink.forward(lane)
            self.now_s += ATTEMPT_EVERY_S
        self.hub.messages_left = 10**9


@pytest.fixture(autouse=True)
def admitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of attempts with the same messages decode each once."""
    monkeypatch.setattr(admission_module, "decode", functools.cache(admission_module.decode))


def test_after_hours_of_outage_the_first_hazard_leaves_at_once_and_all_within_five_seconds(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        await stage.prepare_with(50)
        await stage.fail_for(5 * 3600, Lane.HAZARDS)
        since_s = stage.now_s
        await stage.uplink.forward(Lane.HAZARDS)
        assert stage.sent > 0
        while stage.sent < 50:
            stage.now_s += 1.0
            await stage.uplink.forward(Lane.HAZARDS)
        assert stage.now_s - since_s <= 5.0
        assert stage.ledger.head.n == 50

    asyncio.run(scenario())


def test_a_report_that_is_sent_again_and_again_is_charged_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        await stage.prepare_with(20)
        full = stage.cap.available(Lane.HAZARDS, 0.0)
        await stage.fail_for(600, Lane.HAZARDS)
        assert stage.cap.available(Lane.HAZARDS, stage.now_s) == full
        while stage.sent < 20:
            await stage.uplink.forward(Lane.HAZARDS)
        listed = stage.ledger.by_kind["hazard"].bytes
        assert stage.cap.available(Lane.HAZARDS, stage.now_s) == full - listed

    asyncio.run(scenario())


def test_a_heartbeat_that_fails_is_not_charged(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        await stage.prepare_with(0)
        _, data = subject_and_data(1, HEARTBEAT.model_copy(update={"transport_bytes": None}))
        await stage.site.put_latest(HEARTBEATS, "s1", data)
        full = stage.cap.available(Lane.LATEST, 0.0)
        stage.hub.messages_left = 0
        for _ in range(5):
            with pytest.raises(WireError):
                await stage.uplink.forward_heartbeat()
        assert stage.cap.available(Lane.LATEST, 0.0) == full
        stage.hub.messages_left = 10**9
        assert await stage.uplink.forward_heartbeat()
        assert stage.cap.available(Lane.LATEST, 0.0) == full - len(data)

    asyncio.run(scenario())


def test_evidence_that_has_spent_its_caps_holds_no_hazard_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        full = stage.cap.available(Lane.HAZARDS, 0.0)
        stage.cap.charge(SHIPPED["bytes_per_day"], Lane.EVIDENCE)
        assert stage.cap.available(Lane.EVIDENCE, 0.0) < 0
        assert stage.cap.available(Lane.HAZARDS, 0.0) == full
        await stage.prepare_with(1)
        assert await stage.uplink.forward(Lane.HAZARDS) == 1
        assert stage.sent == 1

    asyncio.run(scenario())


def test_a_hazard_that_fits_what_is_left_of_the_cap_is_not_held_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        stage.cap.charge(SHIPPED["hazard_bytes_per_minute"] - 200, Lane.HAZARDS)
        await stage.prepare_with(1)
        await stage.uplink.forward(Lane.HAZARDS)
        assert stage.sent == 1

    asyncio.run(scenario())


def test_hazards_have_a_cap_of_their_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        stage.cap.charge(SHIPPED["hazard_bytes_per_minute"] - 20, Lane.HAZARDS)
        await stage.prepare_with(1)
        await stage.uplink.forward(Lane.HAZARDS)
        assert (stage.sent, stage.uplink.counts.held_back) == (0, 1)

    asyncio.run(scenario())


def test_evidence_leaves_a_tenth_to_heartbeats(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = Stage(tmp_path)
        await stage.prepare_with(100, PROTOTYPE, times=16)
        while await stage.uplink.forward(Lane.EVIDENCE):
            pass
        left = stage.cap.available(Lane.LATEST, 0.0)
        assert left >= 0.1 * SHIPPED["bytes_per_minute"]
        assert stage.uplink.counts.held_back > 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("lane", "wait_s", "bytes_"),
    [
        (Lane.HAZARDS, 0.0, 500),
        (Lane.HAZARDS, 30.0, 1000),
        (Lane.LATEST, 0.0, 900),
        (Lane.EVIDENCE, 0.0, 800),
        (Lane.EVIDENCE, 6.0, 900),
    ],
)
def test_caps_refill_with_time_up_to_their_size(lane: Lane, wait_s: float, bytes_: int) -> None:
    cap = RateCap(
        evidence=ByteLimits(1000, 10_000), hazards=ByteLimits(1000, 10_000), spent_today={}, now_s=0.0
    )
    cap.charge(500, Lane.HAZARDS)
    cap.charge(100, Lane.EVIDENCE)
    assert cap.available(lane, wait_s) == pytest.approx(bytes_)


def test_the_day_cap_includes_bytes_sent_before_a_restart() -> None:
    limits = ByteLimits(1000, 2000)
    spent = {Lane.EVIDENCE: 1000, Lane.LATEST: 950, Lane.HAZARDS: 1500}
    cap = RateCap(evidence=limits, hazards=limits, spent_today=spent, now_s=0.0)
    assert cap.available(Lane.LATEST, 0.0) == 50
    assert cap.available(Lane.HAZARDS, 0.0) == 500
