"""The cloud's background tasks: each is repeated, tried again after a failure, and its state can be read.

The server of the API is no such task: when it ends, the cloud ends.
"""

import asyncio
from collections.abc import Awaitable, Callable

from messaging.runtime.backoff import Backoff
from messaging.runtime.stopping import stopped_within
from messaging.runtime.supervisor import FIRST_WAIT_S, MAX_WAIT_S, Activity

SILENCE_LIMIT_S = 300.0


class BackgroundTasks:
    """Repeats steps until `stop`; `on_failure` is called with a task's name after each failure."""

    def __init__(
        self,
        stop: asyncio.Event,
        *,
        on_failure: Callable[[str], None] = lambda name: None,
        first_s: float = FIRST_WAIT_S,
        max_s: float = MAX_WAIT_S,
    ) -> None:
        self._stop, self._on_failure = stop, on_failure
        self._first_s, self._max_s = first_s, max_s
        self._activities: list[Activity] = []

    async def repeat(self, name: str, every_s: float, step: Callable[[], Awaitable[object]]) -> None:
        """Await a step every so many seconds; after a failure wait longer and longer.

        An expected error is one line of the log, another one a traceback; both leave the task running.
        """
        activity = self._begun(name, every_s)
        while not self._stop.is_set():
            try:
                await step()
            except Exception as error:  # noqa: BLE001  # a task's top: counted, logged and shown
                await stopped_within(self._stop, activity.failed(error))
            else:
                activity.succeeded()
                await stopped_within(self._stop, every_s)

    async def repeat_in_thread(self, name: str, every_s: float, step: Callable[[], object]) -> None:
        """The same for a step that blocks."""
        await self.repeat(name, every_s, lambda: asyncio.to_thread(step))

    def faults(self) -> tuple[str, ...]:
        """Why tasks do not do their work now, one sentence for each."""
        return tuple(fault for one in self._activities if (fault := one.state().fault) is not None)

    def _begun(self, name: str, every_s: float) -> Activity:
        activity = Activity(
            name,
            Backoff(self._first_s, self._max_s),
            asyncio.get_running_loop().time,
            silence_limit_s=every_s + SILENCE_LIMIT_S,
            on_failure=self._on_failure,
        )
        self._activities.append(activity)
        return activity
