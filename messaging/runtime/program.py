"""What every program does alike: logging to stderr, one sentence for an expected error, exit codes."""

import logging
import sys
from collections.abc import Callable
from enum import IntEnum

from messaging.errors import BlindspotError

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_NOISY = ("httpx", "uvicorn.error", "dbos")


class ExitCode(IntEnum):
    """Exit codes of every program."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNHEALTHY = 3


def configure_logging(level: str = "INFO") -> None:
    """Log to stderr in one format; libraries log warnings only."""
    logging.basicConfig(level=level, format=LOG_FORMAT, stream=sys.stderr)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def exit_code_of(run: Callable[[], object]) -> ExitCode:
    """Run a program to its end; an error of ours becomes one sentence on stderr and exit code 1."""
    try:
        run()
    except BlindspotError as error:
        sys.stderr.write(f"error: {error}\n")
        return ExitCode.FAILED
    return ExitCode.OK
