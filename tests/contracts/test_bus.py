"""One suite for every bus: in memory, and over a real nats-server."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from messaging.bus import Bus, Link, StoredMessage, StreamSpec, acknowledge_all
from messaging.errors import (
    ConfigurationError,
    MessageRefused,
    WireForbidden,
    WireFull,
    WireUnavailable,
)
from messaging.memory_bus import subject_matches
from messaging.nats.bus import NatsBus
from tests.support.brokers import Hub, running_hub
from tests.support.messaging.bus_scenarios import Play, play_on

SPEC = StreamSpec("THINGS", ("things.>",), max_bytes=20_000, max_message_bytes=4_000)
ACK_WAIT_S = 0.4


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.broker)])
def play(request: pytest.FixtureRequest) -> Play:
    """Runs a scenario on a new bus whose stream THINGS is empty."""
    hub = request.getfixturevalue("hub") if request.param == "nats" else None
    return play_on(hub, lambda bus: bus.ensure_stream(SPEC), stream="THINGS", ack_wait_s=ACK_WAIT_S)


def test_a_published_message_is_delivered_with_id_headers_and_subject(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        accepted = await bus.publish("things.a", b"one", message_id="1", headers={"Ledger": "7"})
        assert (accepted.stream, accepted.sequence, accepted.duplicate) == ("THINGS", 1, False)
        (delivery,) = await bus.pull("THINGS", "reader")
        assert (delivery.subject, delivery.data, delivery.message_id) == ("things.a", b"one", "1")
        assert (delivery.headers["Ledger"], delivery.sequence, delivery.attempt) == ("7", 1, 1)
        assert abs(delivery.stored_at_utc - time.time()) < 60

    play(scenario)


def test_an_id_seen_before_is_accepted_once(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        await bus.publish("things.a", b"one", message_id="1")
        again = await bus.publish("things.a", b"one", message_id="1")
        assert again.duplicate
        assert again.sequence == 1
        assert (await bus.stream_state("THINGS")).messages == 1

    play(scenario)


def test_a_full_stream_refuses_and_deletes_nothing(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        for n in range(6):
            await bus.publish("things.a", b"x" * 3_000, message_id=str(n))
        with pytest.raises(WireFull):
            await bus.publish("things.a", b"x" * 3_900, message_id="too much")
        assert len(await bus.pull("THINGS", "reader")) == 6

    play(scenario)


def test_storage_freed_by_a_purge_is_used(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        for n in range(5):
            await bus.publish("things.a", b"x" * 3_000, message_id=str(n))
        await bus.purge_through("THINGS", 3)
        state = await bus.stream_state("THINGS")
        assert (state.messages, state.first_sequence, state.last_sequence) == (2, 4, 5)
        await bus.publish("things.a", b"x" * 3_000, message_id="new")
        assert [d.sequence for d in await bus.pull("THINGS", "reader")] == [4, 5, 6]

    play(scenario)


def test_an_id_is_remembered_after_its_message_was_purged(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        await bus.publish("things.a", b"one", message_id="1")
        await bus.purge_through("THINGS", 1)
        assert (await bus.publish("things.a", b"one", message_id="1")).duplicate

    play(scenario)


def test_a_message_too_big_for_the_stream_is_refused(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        with pytest.raises(MessageRefused):
            await bus.publish("things.a", b"x" * 4_500, message_id="1")
        with pytest.raises(MessageRefused):
            await bus.publish("things.a", b"x" * 300_000, message_id="2")
        assert (await bus.stream_state("THINGS")).messages == 0

    play(scenario)


def test_an_acknowledged_or_refused_message_is_not_delivered_again(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        for n in range(2):
            await bus.publish("things.a", b"x", message_id=str(n))
        first, second = await bus.pull("THINGS", "reader")
        await first.acknowledge()
        await second.refuse()
        assert not await bus.pull("THINGS", "reader", timeout_s=ACK_WAIT_S + 0.3)
        assert await bus.acknowledged_through("THINGS", "reader") == 2

    play(scenario)


def test_acknowledgements_of_a_batch_have_all_arrived_when_the_last_is_confirmed(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        for n in range(200):
            await bus.publish("things.a", b"x", message_id=str(n))
        *batch, left = await bus.pull("THINGS", "reader", batch=200)
        await acknowledge_all([])
        assert await bus.acknowledged_through("THINGS", "reader") == 0
        await acknowledge_all(batch)
        assert await bus.acknowledged_through("THINGS", "reader") == 199
        (again,) = await bus.pull("THINGS", "reader", timeout_s=3.0)
        assert (again.sequence, again.attempt) == (left.sequence, 2)

    play(scenario)


def test_an_unacknowledged_message_is_delivered_again_with_its_attempt(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        await bus.publish("things.a", b"x", message_id="1")
        await bus.pull("THINGS", "reader")
        assert not await bus.pull("THINGS", "reader", timeout_s=0.0)
        (again,) = await bus.pull("THINGS", "reader", timeout_s=3.0)
        assert again.attempt == 2
        assert await bus.acknowledged_through("THINGS", "reader") == 0

    play(scenario)


def test_a_retry_is_delivered_after_its_delay(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        await bus.publish("things.a", b"x", message_id="1")
        (delivery,) = await bus.pull("THINGS", "reader")
        asked = time.monotonic()
        await delivery.retry_later(0.2)
        (again,) = await bus.pull("THINGS", "reader", timeout_s=3.0)
        assert again.message_id == "1"
        assert time.monotonic() - asked >= 0.15

    play(scenario)


def test_two_consumers_each_see_everything_and_batches_keep_the_order(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        for n in range(7):
            await bus.publish("things.a", b"x", message_id=str(n))
        first = await bus.pull("THINGS", "one", batch=4)
        rest = await bus.pull("THINGS", "one", batch=4)
        assert [d.sequence for d in (*first, *rest)] == [1, 2, 3, 4, 5, 6, 7]
        assert len(await bus.pull("THINGS", "two")) == 7

    play(scenario)


def test_a_subject_without_a_stream_and_a_stream_that_is_absent_are_unavailable(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        with pytest.raises(WireUnavailable):
            await bus.publish("elsewhere.a", b"x", message_id="1")
        with pytest.raises(WireUnavailable):
            await bus.pull("NOWHERE", "reader", timeout_s=0.1)

    play(scenario)


def test_setting_up_a_stream_again_keeps_its_messages(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        await bus.publish("things.a", b"x", message_id="1")
        await bus.ensure_stream(StreamSpec("THINGS", ("things.>",), 40_000, 4_000))
        assert (await bus.stream_state("THINGS")).messages == 1

    play(scenario)


def test_one_subject_that_is_full_refuses_and_the_others_do_not(play: Play) -> None:
    spec = StreamSpec("QUOTAS", ("q.*.*",), 10**6, 4_000, subject_tokens=2, max_per_subject=2)

    async def scenario(bus: Bus) -> None:
        await bus.ensure_stream(spec)
        for n in range(2):
            await bus.publish(f"q.one.{n}", b"x", message_id=f"one-{n}")
        for _ in range(2):
            with pytest.raises(WireFull):
                await bus.publish("q.one.2", b"x", message_id="one-2")
        await bus.publish("q.two.0", b"x", message_id="two-0")
        assert await bus.messages_by_subject("QUOTAS") == {"q.one": 2, "q.two": 1}
        await bus.purge_through("QUOTAS", 2, subject="q.one")
        assert not (await bus.publish("q.one.2", b"x", message_id="one-2")).duplicate
        delivered = await bus.pull("QUOTAS", "reader")
        assert [(d.subject, d.message_id) for d in delivered] == [("q.two", "two-0"), ("q.one", "one-2")]

    play(scenario)


def test_stored_messages_are_read_from_a_sequence_on_without_a_consumer(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        assert await bus.stored_messages("THINGS", 1, 10) == []
        for n in range(1, 6):
            await bus.publish(f"things.{n}", b"%d" % n, message_id=f"id-{n}")
        await bus.purge_through("THINGS", 2)
        for delivery in await bus.pull("THINGS", "reader"):
            await delivery.acknowledge()
        found = await bus.stored_messages("THINGS", 1, 2)
        stored = [one.stored_at_utc for one in found]
        assert found == [
            StoredMessage(3, "things.3", b"3", "id-3", stored[0]),
            StoredMessage(4, "things.4", b"4", "id-4", stored[1]),
        ]
        assert all(abs(at_utc - time.time()) < 60 for at_utc in stored)
        assert [one.sequence for one in await bus.stored_messages("THINGS", 5, 10)] == [5]
        assert await bus.stored_messages("THINGS", 6, 10) == []

    play(scenario)


def test_a_stream_has_one_identity_and_two_streams_have_two(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        identity = (await bus.stream_state("THINGS")).identity
        await bus.publish("things.a", b"x", message_id="1")
        await bus.ensure_stream(StreamSpec("THINGS", ("things.>",), 40_000, 4_000))
        assert (await bus.stream_state("THINGS")).identity == identity
        await bus.ensure_stream(StreamSpec("OTHERS", ("others.>",), 40_000, 4_000))
        assert (await bus.stream_state("OTHERS")).identity != identity

    play(scenario)


def test_a_hint_wakes_a_waiter_and_without_one_the_wait_returns_false(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        assert not await bus.wait_hint("site.s1.cmd.orders", 0.05)
        waiting = asyncio.ensure_future(bus.wait_hint("site.s1.cmd.orders", 5.0))
        await asyncio.sleep(0)
        await bus.hint("site.s1.cmd.orders")
        assert await waiting
        assert not await bus.wait_hint("site.s1.cmd.orders", 0.05)

    play(scenario)


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        ("a.>", "a.b", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*.c", "a.b.c", True),
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
    ],
)
def test_subject_patterns_match_as_in_nats(pattern: str, subject: str, matches: bool) -> None:
    assert subject_matches(pattern, subject) is matches


@pytest.mark.broker
def test_an_absent_broker_is_unavailable_within_the_time_limit() -> None:
    started = time.monotonic()
    with pytest.raises(WireUnavailable):
        asyncio.run(NatsBus.connect(Link("nats://127.0.0.1:1", "x"), timeout_s=0.5))
    assert time.monotonic() - started < 15.0


@pytest.mark.broker
def test_a_killed_broker_is_unavailable_at_once_and_loses_nothing(tmp_path: Path) -> None:
    async def scenario(hub: Hub) -> None:
        bus = await NatsBus.connect(hub.cloud_link(), timeout_s=60.0)
        await bus.ensure_stream(SPEC)
        await bus.publish("things.a", b"x", message_id="1")
        killed = time.monotonic()
        os.kill(hub.broker.pid or 0, signal.SIGKILL)
        with pytest.raises(WireUnavailable):
            await bus.publish("things.b", b"x", message_id="under way")
        assert time.monotonic() - killed < 15.0, "not after the time limit"
        assert (await bus.publish("things.a", b"x", message_id="1")).duplicate
        await bus.publish("things.a", b"x", message_id="2")
        assert (await bus.stream_state("THINGS")).messages >= 2
        assert hub.broker.restarts == 1
        await bus.close()

    with running_hub(tmp_path) as hub:
        asyncio.run(asyncio.wait_for(scenario(hub), 90))


@pytest.mark.broker
def test_a_stopped_broker_is_unavailable_within_the_time_limit(tmp_path: Path) -> None:
    async def scenario(hub: Hub) -> None:
        bus = await NatsBus.connect(hub.cloud_link(), timeout_s=1.0)
        await bus.ensure_stream(SPEC)
        os.kill(hub.broker.pid or 0, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(WireUnavailable):
            await bus.publish("things.a", b"x", message_id="1")
        with pytest.raises(WireUnavailable):
            await bus.pull("THINGS", "reader", timeout_s=0.2)
        assert time.monotonic() - started < 20.0
        os.kill(hub.broker.pid or 0, signal.SIGCONT)
        await bus.publish("things.a", b"x", message_id="1")
        await bus.close()

    with running_hub(tmp_path) as hub:
        asyncio.run(asyncio.wait_for(scenario(hub), 30))


@pytest.mark.broker
def test_a_closed_bus_is_unavailable_and_may_be_closed_twice(hub: Hub) -> None:
    async def scenario() -> None:
        bus = await NatsBus.connect(hub.cloud_link())
        await bus.close()
        await bus.close()
        with pytest.raises(WireUnavailable):
            await bus.publish("things.a", b"x", message_id="1")

    asyncio.run(scenario())


@pytest.mark.broker
def test_bad_and_missing_credentials_are_named(hub: Hub, tmp_path: Path) -> None:
    good = hub.enrol("s9").read_text()
    forged = tmp_path / "forged.creds"
    forged.write_text(good.replace(good.splitlines()[1][-8:], "AAAAAAAA"))
    with pytest.raises(WireForbidden):
        asyncio.run(NatsBus.connect(Link(hub.broker.url, "forger", credentials_path=str(forged))))
    with pytest.raises(WireForbidden):
        asyncio.run(NatsBus.connect(Link(hub.broker.url, "nobody")))
    with pytest.raises(ConfigurationError):
        asyncio.run(NatsBus.connect(Link(hub.broker.url, "lost", credentials_path=str(tmp_path / "no"))))
