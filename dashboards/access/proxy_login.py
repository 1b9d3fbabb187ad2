"""The name that a proxy states in a header, believed from the configured proxies alone."""

import logging

from starlette.requests import HTTPConnection

from dashboards.access.settings import AccessSettings
from dashboards.errors import LoginRefused

logger = logging.getLogger(__name__)


class ProxyLogin:
    """Reads the header of `trusted_header`."""

    def __init__(self, settings: AccessSettings) -> None:
        self._proxies, self._trusted = settings.proxies, settings.trusted_header

    def name_in(self, connection: HTTPConnection) -> str | None:
        """The name; None without the header, or where no header is configured.

        Raises `LoginRefused` for a header that comes from elsewhere.
        """
        stated = None if self._trusted is None else connection.headers.get(self._trusted.header)
        if self._trusted is None or stated is None:
            return None
        peer = connection.client.host if connection.client else ""
        if peer not in self._proxies:
            logger.warning("%s from %.40s was refused: it is no configured proxy", self._trusted.header, peer)
            raise LoginRefused(f"{self._trusted.header} is accepted from the configured proxies alone", 403)
        return stated
