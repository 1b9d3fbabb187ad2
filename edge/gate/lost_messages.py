"""How many messages the site's broker has acknowledged and lost before there was a receipt for them.

Losses are found by the numbers of the stream: at its beginning, at its end, or as a gap when it is sent
again. The count is kept in a file, so that a restart of gate and broker hides nothing. Messages of the last
seconds before the damage may be missing in it, and it may have some that were on their way and arrived.
"""

import logging
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from messaging.bus import StreamState
from messaging.errors import FileFault, StateFileBroken
from messaging.nats.subjects import SITE_STREAMS
from messaging.runtime.state_files import PatientFile, StateFile
from messaging.wire_format.codec import Lane

logger = logging.getLogger(__name__)

LOST_FILE = "lost_messages.json"


class _Seen(BaseModel):
    """A lane's newest message, the last of those that all left, and how many are gone so far."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    last: int = Field(default=0, ge=0)
    forwarded: int = Field(default=0, ge=0)
    lost: int = Field(default=0, ge=0)


_FILE = TypeAdapter(dict[Lane, _Seen])


class LostMessages:
    """The count for all lanes, kept in `path`. A damaged one starts again from zero."""

    def __init__(self, path: Path) -> None:
        self._seen = dict.fromkeys(SITE_STREAMS, _Seen()) | _read(path)
        self._file = PatientFile(path, "the count of lost messages")
        self._streams: dict[Lane, str] = {}
        self._known = {lane: seen.forwarded for lane, seen in self._seen.items()}

    @property
    def by_lane(self) -> dict[Lane, int]:
        """Messages that were lost, of each lane."""
        return {lane: seen.lost for lane, seen in self._seen.items()}

    def compare(self, lane: Lane, state: StreamState, forwarded: int) -> None:
        """Compare a stream with what it was; the hub has what it has up to number `forwarded`."""
        seen = self._seen[lane]
        known, gone = seen.forwarded, min(state.first_sequence - 1, seen.last)
        lost = max(0, gone - known) + max(0, seen.last - max(state.last_sequence, known))
        if self._streams.setdefault(lane, state.identity) != state.identity:
            self._streams[lane], self._known[lane] = state.identity, state.last_sequence
            lost += _holes(state, after=known)
        self._known[lane] = max(self._known[lane], gone)
        reached = min(max(known, gone, forwarded), state.last_sequence)
        self._note(lane, lost, last=state.last_sequence, forwarded=reached)
        self._file.retry()

    def missing(self, lane: Lane, numbers: Collection[int]) -> None:
        """Count messages that were to be sent again for want of a receipt, and that the stream has not."""
        seen = self._seen[lane]
        lost = sum(number > self._known[lane] for number in numbers)
        self._note(lane, lost, last=seen.last, forwarded=seen.forwarded)

    def _note(self, lane: Lane, lost: int, *, last: int, forwarded: int) -> None:
        before = self._seen[lane]
        after = _Seen(last=last, forwarded=forwarded, lost=before.lost + lost)
        if lost:
            logger.error(
                "the site's broker has lost %d messages of %s, and what of them had not left never "
                "arrives; check its disk",
                *(lost, SITE_STREAMS[lane]),
            )
        if after != before:
            self._seen[lane] = after
            self._file.write(_FILE.dump_json(self._seen))


def _holes(state: StreamState, after: int) -> int:
    """How many messages are missing inside a stream, at most all after a number."""
    inside = state.last_sequence - state.first_sequence + 1 - state.messages
    return max(0, min(inside, state.last_sequence - max(after, state.first_sequence - 1)))


def _read(path: Path) -> dict[Lane, _Seen]:
    try:
        return StateFile(path, _FILE).read() or {}
    except (StateFileBroken, FileFault) as fault:
        logger.warning("messages that were lost until now are not counted: %s", fault)
        return {}
