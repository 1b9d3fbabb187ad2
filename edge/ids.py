"""Ids of one run of a node: consecutive ULIDs, so that a message encodes many in few bytes."""

import itertools
import secrets
import time
from collections.abc import Callable

from messaging.wire_format.column_encodings import ulid_text


def ids_of_a_run() -> Callable[[], str]:
    """A thread-safe maker of ULIDs: the first from clock and system randomness, then consecutive."""
    numbers = itertools.count((time.time_ns() // 1_000_000 << 80) + secrets.randbits(80))
    return lambda: ulid_text(next(numbers))
