"""Last values by key: one suite for the bus in memory, and over a real nats-server."""

import pytest

from messaging.bus import BucketState, Bus
from messaging.nats.last_values import ChangedValues, all_latest
from tests.support.messaging.bus_scenarios import Play, play_on


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.broker)])
def play(request: pytest.FixtureRequest) -> Play:
    """Runs a scenario on a bus whose bucket BEATS is new."""
    hub = request.getfixturevalue("hub") if request.param == "nats" else None
    return play_on(hub, lambda bus: bus.ensure_latest("BEATS"), stream="KV_BEATS")


def test_a_bucket_keeps_the_last_value_of_each_key(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        assert await bus.get_latest("BEATS", "a") is None
        for value in (b"1", b"2"):
            await bus.put_latest("BEATS", "a", value)
        await bus.put_latest("BEATS", "b", b"3")
        assert await bus.get_latest("BEATS", "a") == b"2"
        assert dict(await all_latest(bus, "BEATS")) == {"a": b"2", "b": b"3"}

    play(scenario)


def test_only_values_that_were_set_since_the_last_reading_are_read_again(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        changed = ChangedValues(bus, "BEATS")

        async def read() -> list[dict[str, bytes]]:
            return [dict(page) async for page in changed.pages(2)]

        assert await read() == []
        for key in ("a", "b", "a", "c"):
            await bus.put_latest("BEATS", key, f"{key}1".encode())
        assert await read() == [{"b": b"b1", "a": b"a1"}, {"c": b"c1"}]
        assert await read() == []
        await bus.put_latest("BEATS", "b", b"b2")
        assert await read() == [{"b": b"b2"}]

    play(scenario)


def test_a_reading_ends_while_values_are_set_all_the_time(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        for key in ("a", "b", "c"):
            await bus.put_latest("BEATS", key, b"1")
        changed, found = ChangedValues(bus, "BEATS"), list[dict[str, bytes]]()
        async for page in changed.pages(1):
            found.append(dict(page))
            assert len(found) <= 3, "what is set while it is read comes with the next reading"
            for key in page:
                await bus.put_latest("BEATS", key, b"2")
        assert found == [{"a": b"1"}, {"b": b"1"}, {"c": b"1"}]
        assert [dict(page) async for page in changed.pages(9)] == [{"a": b"2", "b": b"2", "c": b"2"}]

    play(scenario)


def test_values_of_a_page_that_failed_are_read_again(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        for key in ("a", "b", "c"):
            await bus.put_latest("BEATS", key, b"1")
        changed = ChangedValues(bus, "BEATS")

        async def fail_at(key: str) -> None:
            async for page in changed.pages(1):
                assert key not in page

        with pytest.raises(AssertionError):
            await fail_at("b")
        assert [key async for page in changed.pages(1) for key in page] == ["b", "c"]

    play(scenario)


def test_a_bucket_has_one_identity_and_two_buckets_have_two(play: Play) -> None:
    async def scenario(bus: Bus) -> None:
        identity = (await bus.bucket_state("BEATS")).identity
        await bus.put_latest("BEATS", "a", b"1")
        await bus.ensure_latest("BEATS")
        assert await bus.bucket_state("BEATS") == BucketState(1, identity)
        await bus.ensure_latest("OTHERS")
        assert (await bus.bucket_state("OTHERS")).identity != identity

    play(scenario)
