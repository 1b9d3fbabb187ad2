"""What one attempt to send has brought."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """Result of one attempt: `refused` means that repeating it cannot help."""

    DELIVERED = "delivered"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True)
class SendOutcome:
    """The result, and one sentence that says what happened and, after a failure, what to do."""

    result: Result
    sentence: str
