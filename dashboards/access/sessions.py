"""Sessions of browsers, in the memory of the page's process: a random identifier, and who it stands for.

The bearer token of the cloud stays here; the browser has only the identifier. A restart of the page forgets
all of them. A session ends `SESSION_S` after its login, `IDLE_S` after its last page was closed, and when the
cloud refuses its token. Pages that are open then are not lost: they go on once the same person logs in again.
A logout removes the session for good.
"""

import secrets
from collections.abc import Callable

from messaging.access_resources import UserResource

SESSION_S = 12 * 3600.0
IDLE_S = 3600.0
MOST_SESSIONS = 10_000


class BrowserSession:
    """One login. It has no token any more once it has ended."""

    def __init__(self, user: UserResource, bearer: str, *, key: str, now: float, operator: str = "") -> None:
        """`operator`: the name that is stated with the data folder's own token; empty for users."""
        self.key, self.user, self.operator = key, user, operator
        self.bearer: str | None = bearer
        self.ends_at, self.used_at = now + SESSION_S, now

    @property
    def has_password(self) -> bool:
        """Whether the person is a user of the cloud, and not whoever has the data folder's token."""
        return not self.operator

    def end(self) -> None:
        """Forget the token; nothing is read with this session until the person logs in again."""
        self.bearer = None


class BrowserSessions:
    """All sessions of one page, by their identifiers. For one event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds that never go back."""
        self._clock = clock
        self._sessions: dict[str, BrowserSession] = {}

    def begin(self, user: UserResource, bearer: str, *, operator: str = "") -> BrowserSession:
        """A new session with an identifier of 256 random bits."""
        session = BrowserSession(
            user, bearer, key=secrets.token_urlsafe(32), now=self._clock(), operator=operator
        )
        self._sessions[session.key] = session
        while len(self._sessions) > MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return session

    def find(self, key: str) -> BrowserSession | None:
        """The session with this identifier, which may have ended; None if there is none.

        One that ended is kept for `SESSION_S` more, so that its open pages can go on.
        """
        session = self._sessions.get(key)
        if session is None:
            return None
        if self._clock() >= session.ends_at + SESSION_S:
            self.remove(session)
            return None
        self.bearer_of(session)
        return session

    def bearer_of(self, session: BrowserSession) -> str | None:
        """The token of a session; None once it has ended, which is found here."""
        now = self._clock()
        if now >= session.ends_at or now - session.used_at > IDLE_S:
            session.end()
        return session.bearer

    def touch(self, session: BrowserSession) -> None:
        """Note that the browser has used the session, or has a page of it open."""
        session.used_at = self._clock()

    def renew(self, session: BrowserSession, user: UserResource, bearer: str) -> None:
        """Let a session go on with a new token of the same person."""
        session.user, session.bearer, session.used_at = user, bearer, self._clock()
        session.ends_at = session.used_at + SESSION_S

    def remove(self, session: BrowserSession) -> None:
        """End a session for good."""
        session.end()
        self._sessions.pop(session.key, None)
