"""The connection to the cloud of a data folder, which finds a cloud again that was restarted elsewhere."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from dashboards.client import CloudClient
from dashboards.errors import CloudLost
from messaging.cloud_address import CloudAddress, find_cloud
from messaging.errors import FileFault
from messaging.resources import Page

R = TypeVar("R", bound=BaseModel)
A = TypeVar("A")


class CloudLink:
    """Requests to the running cloud of a data folder, by one bearer token.

    After a loss the folder is read again, because the address may have changed. All methods raise
    `CloudLost` and `CloudRefused`.
    """

    def __init__(self, folder: Path, *, connect: Callable[[CloudAddress], CloudClient] = CloudClient) -> None:
        """`connect` replaces the network in tests."""
        self._folder, self._connect = folder, connect
        self._client: CloudClient | None = None

    async def get(self, path: str, model: type[R], **query: Any) -> R:
        """One resource."""
        return await self._asked(lambda client: client.get(path, model, **query))

    async def page(self, path: str, item: type[R], **query: Any) -> Page[R]:
        """The first page of a list."""
        return await self._asked(lambda client: client.page(path, item, **query))

    async def all_items(self, path: str, item: type[R], **query: Any) -> tuple[R, ...]:
        """All items of a list, over all its pages."""
        return await self._asked(lambda client: client.all_items(path, item, **query))

    async def send(self, method: str, path: str, model: type[R], body: BaseModel | None = None) -> R:
        """Ask for a change; the answer."""
        return await self._asked(lambda client: client.send(method, path, model, body))

    async def thumbnail(self, campaign: str, image: int) -> bytes:
        """The JPEG of one synthetic image."""
        return await self._asked(lambda client: client.thumbnail(campaign, image))

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _asked(self, request: Callable[[CloudClient], Awaitable[A]]) -> A:
        if self._client is None:
            try:
                self._client = self._connect(find_cloud(self._folder))
            except FileFault as error:
                raise CloudLost(str(error)) from None
        try:
            return await request(self._client)
        except CloudLost:
            await self.close()
            raise
