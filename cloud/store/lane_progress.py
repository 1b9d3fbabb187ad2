"""How far a lane of a site is committed without a gap. Pure: the row before, what arrived, the row after.

Messages may arrive in any order and more than once. Those beyond a gap wait in `ranges` for what fills it;
when there are too many, the last are dropped, which the site sends again for want of a receipt.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.store.mapping import Json, Record
from messaging.receipts import LanePlace, LaneReceipt, LedgerPosition

MOST_RANGES = 100
Range = tuple[int, int, int, str]
"""Committed after the first number up to the second, whose message has this ledger number and hash."""


@dataclass(frozen=True)
class Arrival:
    """A message of a lane that is committed, as a report or as a dead letter."""

    site: str
    lane: str
    place: LanePlace
    ledger: LedgerPosition


class LaneProgress(Record):
    """One lane of one site: everything up to `covered` is committed or will never be sent.

    `through` is the last message of it, with its ledger entry.
    """

    __tablename__ = "lanes"

    site: Mapped[str] = mapped_column(String(40), primary_key=True)
    lane: Mapped[str] = mapped_column(String(40), primary_key=True)
    stream: Mapped[str] = mapped_column(String(40))
    covered: Mapped[int] = mapped_column(default=0)
    through: Mapped[int] = mapped_column(default=0)
    ledger_n: Mapped[int] = mapped_column(default=0)
    ledger_hash: Mapped[str] = mapped_column(String(64), default="")
    ranges: Mapped[Sequence[Range]] = mapped_column(Json(tuple[Range, ...]), default=())

    @property
    def receipt(self) -> LaneReceipt:
        """What the site's gate may forget."""
        return LaneReceipt(self.stream, self.through, self.ledger_n, self.ledger_hash)


def advanced(progress: LaneProgress, arrivals: Iterable[Arrival]) -> LaneProgress:
    """The progress after these arrivals of its lane; another stream than before begins at its beginning."""
    for arrival in arrivals:
        place, ledger = arrival.place, arrival.ledger
        if place.stream != progress.stream:
            progress = LaneProgress(progress.site, progress.lane, place.stream)
        one = (place.after, place.sequence, ledger.n, ledger.hash)
        progress = _joined(progress, max(progress.covered, place.settled), (*progress.ranges, one))
    return progress


def _joined(progress: LaneProgress, covered: int, ranges: Sequence[Range]) -> LaneProgress:
    last: Range = (0, progress.through, progress.ledger_n, progress.ledger_hash)
    waiting: list[Range] = []
    for one in sorted(ranges, key=lambda r: (r[1], r[0])):
        after, through, *_ = one
        if after <= covered:
            covered = max(covered, through)
            last = max(last, one, key=lambda r: r[1])
        elif waiting and after <= waiting[-1][1]:
            waiting[-1] = (min(after, waiting[-1][0]), *one[1:])
        else:
            waiting.append(one)
    return LaneProgress(
        site=progress.site,
        lane=progress.lane,
        stream=progress.stream,
        covered=covered,
        through=last[1],
        ledger_n=last[2],
        ledger_hash=last[3],
        ranges=tuple(one for one in waiting if one[1] > covered)[:MOST_RANGES],
    )
