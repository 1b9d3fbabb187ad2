"""How requests reach the cloud of a data folder, wherever it is by now, with the token of one session.

Every session has a client of its own, and all of them share the connections. A cloud that was restarted at
another address is found again. A refused token ends its session.
"""

import asyncio
import logging
from http.client import UNAUTHORIZED
from pathlib import Path

import httpx

from dashboards.access.sessions import BrowserSession, BrowserSessions
from dashboards.errors import CloudLost, SessionEnded
from messaging.cloud_address import CloudAddress, find_cloud
from messaging.errors import FileFault
from messaging.resources import OPERATOR_HEADER, TOKEN_HEADER

logger = logging.getLogger(__name__)

SENTENCE = "the session has ended; log in again"


class CloudTransport(httpx.AsyncBaseTransport):
    """Sends a request to the cloud that runs on a data folder now; host and port of its URL are replaced.

    Raises `CloudLost` if no cloud runs there. `close` ends the connections; `aclose`, which every client of
    a session may call, does not.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = "http://127.0.0.1"
        """Where the cloud was last, for messages."""
        self._address: CloudAddress | None = None  # None: to be read again
        self._of: CloudAddress | None = None  # what the connections are made for
        self._http: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it; after a failed connection the address is read again before the next request."""
        address, http = await self._connected()
        place = httpx.URL(address.url)
        request.url = request.url.copy_with(scheme=place.scheme, host=place.host, port=place.port)
        request.headers["Host"] = place.netloc.decode()
        try:
            return await http.handle_async_request(request)
        except httpx.TransportError:
            self._address = None
            raise

    async def address(self) -> CloudAddress:
        """Where the cloud is, with the data folder's token. Raises `CloudLost`."""
        return (await self._connected())[0]

    async def close(self) -> None:
        """End all connections."""
        http, self._http, self._address = self._http, None, None
        if http is not None:
            await http.aclose()

    async def _connected(self) -> tuple[CloudAddress, httpx.AsyncHTTPTransport]:
        if self._address is not None and self._http is not None:
            return self._address, self._http
        try:
            found = await asyncio.to_thread(find_cloud, self._folder)
            if self._http is None or found != self._of:
                await self.close()
                self._http = httpx.AsyncHTTPTransport(verify=found.verification, trust_env=False)
        except FileFault as error:
            raise CloudLost(str(error)) from None
        self._address, self._of, self.url = found, found, found.url
        return found, self._http


class SessionTransport(httpx.AsyncBaseTransport):
    """Sends requests with the token that a session has now. Raises `SessionEnded` once it has none."""

    def __init__(self, transport: CloudTransport, sessions: BrowserSessions, session: BrowserSession) -> None:
        self._transport, self._sessions, self._session = transport, sessions, session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it with the session's token."""
        session, bearer = self._session, self._sessions.bearer_of(self._session)
        if bearer is None:
            raise SessionEnded(SENTENCE)
        request.headers[TOKEN_HEADER] = f"Bearer {bearer}"
        if session.operator:
            request.headers[OPERATOR_HEADER] = session.operator
        answer = await self._transport.handle_async_request(request)
        if answer.status_code != UNAUTHORIZED:
            return answer
        await answer.aclose()
        if session.bearer == bearer:  # it was not renewed in the meantime
            session.end()
            logger.info("a session of %.80r has ended: the cloud refused its token", session.user.name)
        raise SessionEnded(SENTENCE)
