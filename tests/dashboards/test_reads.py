"""What viewers read is shared by those who may see the same, and by nobody else."""

import asyncio
from typing import Any

import pytest

from dashboards.access.viewer import Viewer
from dashboards.errors import CloudLost, SessionEnded
from dashboards.reads import MAX_AGE_S, SharedReads
from messaging.access_resources import UserResource, UserRole
from messaging.resources import VersionResource


class CountedClient:
    """Answers with the number of requests so far; raises `error` if there is one."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def get(self, path: str, model: Any, **query: Any) -> VersionResource:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.error is not None:
            raise self.error
        return VersionResource(version=str(self.asked))


def viewer(client: CountedClient, name: str, *groups: str, role: UserRole = UserRole.VIEWER) -> Viewer:
    return Viewer(UserResource(name=name, role=role, groups=groups), client)  # type: ignore[arg-type]  # a fake


def test_viewers_who_see_the_same_cost_one_request() -> None:
    async def scenario() -> None:
        client, reads = CountedClient(), SharedReads()
        viewers = [viewer(client, f"v{i}") for i in range(50)]
        answers = await asyncio.gather(*(reads.get(one, "overview", VersionResource) for one in viewers))
        assert {answer.version for answer in answers} == {"1"}
        assert client.asked == 1

    asyncio.run(scenario())


def test_a_viewer_of_other_sites_or_with_another_role_gets_an_answer_of_its_own() -> None:
    async def scenario() -> None:
        client, reads = CountedClient(), SharedReads()
        limited, admin = viewer(client, "b", "harbour"), viewer(client, "c", role=UserRole.ADMIN)
        for one in (viewer(client, "a"), limited, admin, limited):
            await reads.get(one, "overview", VersionResource)
        await reads.get(limited, "overview", VersionResource, since=3)
        assert client.asked == 4

    asyncio.run(scenario())


def test_an_answer_is_read_again_when_it_is_old_and_after_a_change() -> None:
    now = [0.0]

    async def scenario() -> None:
        client, reads = CountedClient(), SharedReads(lambda: now[0])
        one = viewer(client, "a")
        assert (await reads.get(one, "overview", VersionResource)).version == "1"
        now[0] = MAX_AGE_S
        assert (await reads.get(one, "overview", VersionResource)).version == "1"
        now[0] = 2 * MAX_AGE_S
        assert (await reads.get(one, "overview", VersionResource)).version == "2"
        reads.forget()
        assert (await reads.get(one, "overview", VersionResource)).version == "3"

    asyncio.run(scenario())


def test_a_viewer_who_leaves_does_not_end_what_another_waits_for() -> None:
    async def scenario() -> None:
        client, reads = CountedClient(), SharedReads()
        leaving = asyncio.create_task(reads.get(viewer(client, "a"), "overview", VersionResource))
        await asyncio.sleep(0)
        staying = asyncio.create_task(reads.get(viewer(client, "b"), "overview", VersionResource))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying).version == "1"

    asyncio.run(scenario())


def test_an_error_reaches_every_viewer_who_waits() -> None:
    async def scenario() -> None:
        client, reads = CountedClient(), SharedReads()
        client.error = CloudLost("no cloud")
        waiting = (reads.get(viewer(client, name), "overview", VersionResource) for name in "ab")
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(answer) for answer in answers] == ["no cloud", "no cloud"]
        assert client.asked == 1

    asyncio.run(scenario())


def test_a_session_that_has_ended_ends_for_nobody_else() -> None:
    async def scenario() -> None:
        ended, other, reads = CountedClient(), CountedClient(), SharedReads()
        ended.error = SessionEnded("log in again")
        waiting = (
            reads.get(viewer(client, "x"), "overview", VersionResource) for client in (ended, other, other)
        )
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert str(answers[0]) == "log in again"
        assert answers[1:] == [VersionResource(version="1")] * 2
        assert (ended.asked, other.asked) == (1, 1)
        assert await reads.get(viewer(other, "x"), "overview", VersionResource) == answers[1]

    asyncio.run(scenario())


def test_old_answers_are_dropped_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.reads.MAX_KEPT", 3)
    now = [0.0]

    async def scenario() -> None:
        client, reads = CountedClient(), SharedReads(lambda: now[0])
        for n in range(10):
            now[0] = 10.0 * n
            await reads.get(viewer(client, "a"), f"sites/{n}", VersionResource)
        assert len(reads._kept) <= 3

    asyncio.run(scenario())


def test_who_waits_for_a_change_is_woken_by_it_also_by_one_during_a_read() -> None:
    async def scenario() -> None:
        reads = SharedReads()
        change = reads.next_change()
        reads.forget()
        await asyncio.wait_for(change.wait(), 1)
        assert not reads.next_change().is_set()

    asyncio.run(scenario())
