"""Threads that fail are restarted with growing waits, counted, and visible in their states."""

import errno
import logging
import threading
from collections.abc import Iterator

import pytest

from messaging.errors import FileFault
from messaging.runtime.backoff import Backoff
from messaging.runtime.supervisor import Activity, Supervisor
from tests.support.waiting import wait_until


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_thread_that_fails_is_started_again_until_it_succeeds(stop: threading.Event) -> None:
    failures: list[str] = []
    supervisor = Supervisor(stop, on_failure=failures.append, first_s=0.001, max_s=0.01)
    left = iter([FileFault("no seed file"), OSError(errno.ENOSPC, "full"), RuntimeError("a fault"), None])

    def work(activity: Activity) -> None:
        error = next(left)
        if error is not None:
            raise error
        activity.succeeded()

    supervisor.start("outbox", work)
    wait_until(lambda: supervisor.states()[0].finished)
    (state,) = supervisor.states()
    assert (state.name, state.failures, state.problem) == ("outbox", 3, None)
    assert state.success_age_s is not None
    assert failures == ["outbox"] * 3


def test_an_expected_error_is_one_line_and_an_unexpected_one_has_its_traceback(
    stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = Supervisor(stop, first_s=0.001, max_s=0.01)
    left = iter([FileFault("no seed file"), RuntimeError("a fault")])

    def work(_: Activity) -> None:
        for error in left:
            raise error

    with caplog.at_level(logging.WARNING):
        supervisor.start("outbox", work)
        wait_until(lambda: supervisor.states()[0].finished)
    expected, unexpected = caplog.records
    assert expected.exc_info is None
    assert "no seed file" in expected.getMessage()
    assert unexpected.exc_info is not None


def test_the_state_of_a_thread_that_waits_names_its_problem(stop: threading.Event) -> None:
    now = [100.0]
    supervisor = Supervisor(stop, first_s=30.0, clock=lambda: now[0])

    def work(activity: Activity) -> None:
        activity.succeeded()
        raise OSError(errno.EROFS, "Read-only file system", "/data")

    supervisor.start("journal", work)
    wait_until(lambda: supervisor.states()[0].problem is not None)
    now[0] = 160.0
    (state,) = supervisor.states()
    assert (state.finished, state.success_age_s) == (False, 60.0)
    assert state.problem == "/data: Read-only file system; mount the volume writable or choose another folder"
    stop.set()
    supervisor.join(5.0)
    assert not any(thread.name == "journal" for thread in threading.enumerate())


def test_waits_grow_and_are_short_again_after_a_success() -> None:
    activity = Activity("camera", Backoff(1.0, 8.0), lambda: 0.0)
    waits = [activity.failed(FileFault("gone")) for _ in range(6)]
    assert waits[0] <= 1.5
    assert all(4.0 <= wait <= 12.0 for wait in waits[4:])
    activity.succeeded()
    assert activity.failed(FileFault("gone")) <= 1.5
