"""What every program does alike: logging to stderr, one sentence for an expected error, exit codes."""

import logging
import os
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import NoReturn

from messaging.errors import BlindspotError
from messaging.runtime.addresses import MaskedFormatter, masked_text
from messaging.runtime.os_errors import os_error_sentence

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_NOISY = ("httpx", "uvicorn.error", "dbos")


class ExitCode(IntEnum):
    """Exit codes of every program."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNHEALTHY = 3


def configure_logging(level: str = "INFO") -> None:
    """Log to stderr in one format, addresses masked; libraries log warnings only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(MaskedFormatter(LOG_FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def restart_program() -> NoReturn:
    """Replace this process by the same command from its beginning, whatever its threads do; does not return.

    The process keeps its id; files, locks and connections that it has opened are closed.
    """
    logging.shutdown()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # the command that is running


def exit_code_of(run: Callable[[], object]) -> ExitCode:
    """Run a program to its end; an error of ours or of the system is one sentence and exit code 1."""
    try:
        run()
    except (BlindspotError, OSError) as error:
        logging.getLogger(__name__).debug("the program failed", exc_info=error)
        report_error(error)
        return ExitCode.FAILED
    return ExitCode.OK


def report_error(error: BlindspotError | OSError) -> None:
    """Print an expected error as one sentence on stderr, addresses masked."""
    sentence = os_error_sentence(error) if isinstance(error, OSError) else str(error)
    sys.stderr.write(f"error: {masked_text(sentence)}\n")
