"""What one lane of the site's stream has to show: what is settled, and what has to be sent again.

Pure: sequences and times in, decisions out. A sequence is settled when there is a receipt for it or when it
will never be sent. What the hub acknowledged and is not settled after a time is sent again.
"""

from dataclasses import dataclass

from messaging.receipts import LanePlace

LONGEST_WAIT_S = 86_400.0
_MOST_GROUPS = 200


@dataclass
class _Group:
    """Sequences up to `through`, after those of the group before, that were sent by the same time."""

    through: int
    due_s: float
    wait_s: float


class SentLane:
    """One lane. `wait_s`: how long a message may be without receipt; doubled each time it is sent again."""

    def __init__(self, wait_s: float) -> None:
        self.stream = ""
        self.settled = 0
        self._wait_s = wait_s
        self._void: dict[int, int] = {}
        self._groups: list[_Group] = []

    def begin(self, stream: str, first_sequence: int) -> None:
        """Begin with a stream whose messages before `first_sequence` are settled; again changes nothing."""
        if stream != self.stream:
            self.stream, self.settled = stream, max(0, first_sequence - 1)
            self._void, self._groups = {}, []

    def place(self, sequence: int) -> LanePlace:
        """The place of a message that is about to be sent.

        Of one that is settled already, as when the hub's reply was lost and the receipt came first, it states
        what is settled before the message.
        """
        after = sequence - 1
        settled = min(self.settled, after)
        while after in self._void:
            after = self._void[after] - 1
        return LanePlace(self.stream, sequence, max(after, settled), settled)

    def void(self, sequence: int) -> None:
        """Note that a sequence will never be sent: its message was refused, or it has none."""
        if sequence > self.settled:
            self._void[sequence] = self._void.pop(sequence - 1, sequence)
            self._settle()

    def receipted(self, through: int) -> None:
        """Note that everything up to a sequence is committed."""
        self.settled = max(self.settled, through)
        self._settle()

    def sent(self, through: int, now_s: float) -> None:
        """Note that everything up to a sequence is acknowledged by the hub, and since when at the latest."""
        last = self._groups[-1] if self._groups else _Group(self.settled, -LONGEST_WAIT_S, 0.0)
        if through <= last.through:
            return
        due_s = now_s + self._wait_s
        same_time = 0.0 <= due_s - last.due_s < self._wait_s / 10
        if (same_time and last.wait_s == self._wait_s) or len(self._groups) >= _MOST_GROUPS:
            last.through, last.due_s = through, max(last.due_s, due_s)
        else:
            self._groups.append(_Group(through, due_s, self._wait_s))

    def forget_receipts(self, now_s: float) -> None:
        """Have everything that is not settled sent again now: the hub or the database is another one."""
        for group in self._groups:
            group.due_s, group.wait_s = now_s, self._wait_s

    def due(self, now_s: float, limit: int) -> tuple[int, int] | None:
        """First and last sequence to send again now, at most `limit`; None when nothing is due."""
        before = self.settled
        for group in self._groups:
            if group.due_s <= now_s:
                return before + 1, min(group.through, before + limit)
            before = group.through
        return None

    def sent_again(self, through: int, now_s: float) -> None:
        """Note that what was due was sent up to a sequence: it has twice the time to be receipted."""
        for place, group in enumerate(self._groups):
            if group.through < through:
                continue
            wait_s = min(2 * group.wait_s, LONGEST_WAIT_S)
            again = _Group(through, now_s + wait_s, wait_s)
            self._groups[place : place + 1] = [again] if through == group.through else [again, group]
            return

    def _settle(self) -> None:
        for last in sorted(self._void):
            if self._void[last] > self.settled + 1:
                break
            self.settled = max(self.settled, last)
            del self._void[last]
        self._groups = [group for group in self._groups if group.through > self.settled]
