"""Reads the last values of a bucket: all of them, or those that changed since they were last read."""

from collections.abc import AsyncIterator, Mapping

from messaging.bus import Bus

_PAGE = 256


async def all_latest(bus: Bus, bucket: str) -> Mapping[str, bytes]:
    """Every key's last value. Raises `WireError`."""
    values: dict[str, bytes] = {}
    async for page in ChangedValues(bus, bucket).pages(_PAGE):
        values.update(page)
    return values


class ChangedValues:
    """The values of a bucket that were set since they were last read, at first all. For one task."""

    def __init__(self, bus: Bus, bucket: str) -> None:
        self._bus, self._bucket = bus, bucket
        self._identity = ""
        self._read_through = 0

    async def pages(self, size: int) -> AsyncIterator[Mapping[str, bytes]]:
        """Values by key, at most `size` at once, in the order in which they were set. Raises `WireError`.

        A page has been read when the next one is asked for: what fails before comes again. What is set after
        the first page was asked for may come with the next call, so that each call ends. Of a bucket that was
        made again, as at a hub that has lost its disk, or that went back to a backup, all values come.
        """
        state = await self._bus.bucket_state(self._bucket)
        if state.identity != self._identity or state.last_sequence < self._read_through:
            self._identity, self._read_through = state.identity, 0
        while self._read_through < state.last_sequence:
            page = await self._bus.latest_after(self._bucket, self._read_through, size)
            if not page:
                break
            yield {one.key: one.value for one in page}
            self._read_through = page[-1].sequence
