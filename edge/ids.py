"""Ids of one run of a node: ULIDs that follow one another, so that a message names many in few bytes."""

import itertools
import secrets
import time
from collections.abc import Callable

from messaging.wire_format.column_encodings import ulid_text


def ids_of_a_run() -> Callable[[], str]:
    """Maker of ULIDs: the first from clock and system's random source, each next one higher. Thread-safe."""
    numbers = itertools.count((time.time_ns() // 1_000_000 << 80) + secrets.randbits(80))
    return lambda: ulid_text(next(numbers))
