"""What every program does alike: version, log to stderr, one sentence for an expected error, exit codes."""

import gc
import logging
import os
import sys
import threading
from collections.abc import Callable
from enum import IntEnum
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from messaging.errors import BlindspotError
from messaging.runtime.addresses import MaskedFormatter, masked_text
from messaging.runtime.backoff import Backoff
from messaging.runtime.os_errors import disk_is_full, os_error_sentence

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FIRST_ROOM_WAIT_S, MAX_ROOM_WAIT_S = 1.0, 30.0
_NOISY = ("httpx", "uvicorn.error", "dbos")


class ExitCode(IntEnum):
    """Exit codes of every program."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNHEALTHY = 3
    DISK_FULL = 4


def configure_logging(level: str = "INFO") -> None:
    """Log to stderr in one format, addresses masked; libraries log warnings only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(MaskedFormatter(LOG_FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def freeze_garbage_collection() -> None:
    """Exclude the objects of a program that has started from all later garbage collections.

    They live as long as the program. A full collection that visits them stops every thread: of the cloud for
    about 0.2 s, every few dozen requests.
    """
    gc.collect()
    gc.freeze()


def package_version() -> str:
    """The installed version, or `0` from a checkout that was never installed."""
    try:
        return version("blindspot")
    except PackageNotFoundError:
        return "0"


def restart_program() -> NoReturn:
    """Replace this process by the same command from its beginning, whatever its threads do; does not return.

    The process keeps its id; files, locks and connections that it has opened are closed.
    """
    logging.shutdown()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # the command that is running


def exit_code_of(run: Callable[[], object]) -> ExitCode:
    """Run a program to its end; an error of ours or of the system is one sentence and exit code 1 or 4."""
    try:
        run()
    except (BlindspotError, OSError) as error:
        logger.debug("the program failed", exc_info=error)
        report_error(error)
        return ExitCode.DISK_FULL if disk_is_full(error) else ExitCode.FAILED
    return ExitCode.OK


def when_there_is_room(run: Callable[[], object], stop: threading.Event | None = None) -> None:
    """Run a program that is meant to run for long; if its disk is full, wait and run it from its beginning.

    The sentence is logged once. Other errors are raised; `stop` ends the wait.
    """
    stop, waits = stop or threading.Event(), Backoff(FIRST_ROOM_WAIT_S, MAX_ROOM_WAIT_S)
    while not stop.is_set():
        try:
            run()
            return
        except (BlindspotError, OSError) as error:
            if not disk_is_full(error):
                raise
            if waits.failures == 0:
                logger.error("the program waits for room on the disk: %s", _sentence(error))
            stop.wait(waits.next_s())


def report_error(error: BlindspotError | OSError) -> None:
    """Print an expected error as one sentence on stderr, addresses masked."""
    sys.stderr.write(f"error: {_sentence(error)}\n")


def _sentence(error: BlindspotError | OSError) -> str:
    return masked_text(os_error_sentence(error) if isinstance(error, OSError) else str(error))
