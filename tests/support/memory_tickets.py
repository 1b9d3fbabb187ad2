"""Downgrade tickets in memory, for a cloud that signs nothing."""

from collections.abc import Sequence

from cloud.errors import NotKnown
from messaging.trust.tickets import DowngradeTicket


class MemoryTickets:
    """Downgrade tickets without a signature."""

    def __init__(self) -> None:
        self._tickets: dict[str, DowngradeTicket] = {}
        self._number = 0

    def ticket(self, digest: str) -> DowngradeTicket | None:
        """The ticket of a release, if it has one."""
        return self._tickets.get(digest)

    def sign_ticket(self, digest: str, sites: Sequence[str], expires_at_utc: int) -> DowngradeTicket:
        """Keep a ticket in place of the last one."""
        self._number += 1
        made = DowngradeTicket(number=self._number, sites=tuple(sites), expires_at_utc=expires_at_utc)
        self._tickets[digest] = made
        return made

    def withdraw_ticket(self, digest: str) -> DowngradeTicket:
        """Forget a ticket. Raises `NotKnown`."""
        if digest not in self._tickets:
            raise NotKnown("there is no ticket")
        return self._tickets.pop(digest)
