"""Time limits for a model's calls: one that takes longer is ended, one that cannot be ended is reported.

ONNX Runtime ends a call when the `terminate` flag of its options is set, also inside a Loop, but only between
two operators. A call that is still running after the flag was set for `GRACE_S`, and the opening of a model,
which has no such flag, keep their thread for good: only the end of the process ends them. On a machine that
gives the process less than half a core, a call may take `STARVED_FACTOR` times as long. One thread watches
the calls of a process; a call costs it two entries in a set.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

logger = logging.getLogger(__name__)

GRACE_S = 10.0
STARVED_FACTOR = 3
_STARVED = 0.5
_POLL_S = 0.2


class CallOptions(Protocol):
    """Options of a running call; setting `terminate` asks the runtime to end it."""

    terminate: bool


@dataclass(eq=False, slots=True)
class Call:
    """A running call. `options` is None if it cannot be ended; times are those of the watch's clock.

    `processor_s` is the processor time of the process when the watch first saw the call.
    """

    digest: str
    limit_s: float
    began_s: float
    options: CallOptions | None
    processor_s: float | None = None
    late_s: float | None = None
    stuck: bool = False

    @property
    def late(self) -> bool:
        """Whether it was over its limit."""
        return self.late_s is not None


def _report(digest: str) -> None:
    logger.critical("model %s does not return and cannot be ended; restart the program", digest[:12])


class CallWatch:
    """Watches calls from any thread; `on_stuck` is given the digest of a model that keeps its thread."""

    def __init__(
        self,
        on_stuck: Callable[[str], None] = _report,
        *,
        clock: Callable[[], float] = time.monotonic,
        processor: Callable[[], float] = time.process_time,
    ) -> None:
        self._on_stuck, self._clock, self._processor = on_stuck, clock, processor
        self._calls: set[Call] = set()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, digest: str, limit_s: float, options: CallOptions | None = None) -> Call:
        """A call of the model with this digest begins, and may take `limit_s` seconds."""
        call = Call(digest, limit_s, self._clock(), options)
        self._calls.add(call)
        if self._thread is None or not self._thread.is_alive():
            self._start()
        return call

    def end(self, call: Call) -> None:
        """The call has returned or raised."""
        self._calls.discard(call)

    def inspect(self) -> None:
        """End the calls that are over their limit; report those that did not end."""
        now_s, processor_s = self._clock(), self._processor()
        for call in list(self._calls):
            if call.processor_s is None:
                call.processor_s = processor_s
            starved = processor_s - call.processor_s < _STARVED * call.limit_s
            limit_s = call.limit_s * (STARVED_FACTOR if starved else 1)
            if call.late_s is None:
                if now_s >= call.began_s + limit_s:
                    self._interrupt(call, now_s)
            elif not call.stuck and now_s - call.late_s >= GRACE_S:
                call.stuck = True
                self._on_stuck(call.digest)

    def _interrupt(self, call: Call, now_s: float) -> None:
        call.late_s = now_s
        logger.warning("model %s took too long; it is ended", call.digest[:12])
        if call.options is not None:
            call.options.terminate = True

    def _start(self) -> None:
        """Also after a fork, which leaves the thread behind."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="call-watch", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(_POLL_S)
            self.inspect()


OF_THIS_PROCESS = CallWatch()


@dataclass(frozen=True)
class TimeLimits:
    """How long a model may take: for one image, and to be opened with its first run; `watch` enforces it.

    The defaults are for judges and evaluation; a node has those of its configuration.
    """

    inference_s: float = 60.0
    load_s: float = 600.0
    watch: CallWatch = OF_THIS_PROCESS
