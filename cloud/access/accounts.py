"""Users, sessions and API tokens: made, changed, ended, and recognised by the bearer token of a request.

A token is `bs_ID_SECRET`, both from the system's random source; only the secret's sha256 is stored, which
suffices for 256 random bits. A session ends after `SESSION_S`, or `SESSION_IDLE_S` after its last request.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloud.access import passwords
from cloud.access.principal import DATA_FOLDER, Principal
from cloud.access.refused_credentials import CredentialRefusal, Interface
from cloud.errors import BadRequest, NotAuthorised, NotKnown, NotNow, TooManyAttempts
from cloud.store.access_records import Token, TokenKind, User
from cloud.store.user_store import UserStore
from messaging.access.login_limits import LoginLimits
from messaging.access_resources import NewToken, NewUser, UserChange, UserRole, VerifiedLogin

logger = logging.getLogger(__name__)

SESSION_S = 12 * 3600
SESSION_IDLE_S = 3600
USED_EVERY_S = 60
DAY_S = 86_400
PREFIX = "bs"


@dataclass(frozen=True)
class RefusedToken:
    """Why a bearer token is not valid, and whose it is or was, if that is known."""

    reason: str
    user: str | None = None


@dataclass(frozen=True)
class Made:
    """A token that was just made, with the text that its holder sends; nobody can read that again."""

    token: Token
    bearer: str


class Accounts:
    """The users of one cloud. `folder_token`: the token of its data folder, which is an admin's.

    `on_refusal` is called for each login that is refused.
    """

    def __init__(
        self,
        store: UserStore,
        folder_token: str,
        monotonic: Callable[[], float],
        on_refusal: Callable[[CredentialRefusal], None] = lambda refusal: None,
    ) -> None:
        self._store, self._folder_token, self._on_refusal = store, folder_token, on_refusal
        self._limits = LoginLimits(monotonic)

    def recognise(self, authorization: str | None) -> Principal | None:
        """Who an `Authorization` header belongs to; None for no valid bearer token."""
        found = self.examine(authorization)
        return found if isinstance(found, Principal) else None

    def examine(self, authorization: str | None) -> Principal | RefusedToken:
        """Who an `Authorization` header belongs to, or why it is no valid bearer token."""
        scheme, _, bearer = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not bearer:
            return RefusedToken("no bearer token")
        if hmac.compare_digest(bearer.encode("utf-8", "replace"), self._folder_token.encode()):
            return DATA_FOLDER
        prefix, _, rest = bearer.partition("_")
        token_id, _, secret = rest.partition("_")
        found = self._store.token(token_id) if prefix == PREFIX and secret else None
        if found is None:
            return RefusedToken("unknown or revoked")
        token, user = found
        if not hmac.compare_digest(_hash(secret), token.secret_hash):
            return RefusedToken("wrong secret", user.name)
        if not self._valid(token, user):
            return RefusedToken("disabled user" if user.disabled else "expired", user.name)
        return Principal(user.name, token.role.at_most(user.role), frozenset(user.groups), token.id)

    def _valid(self, token: Token, user: User) -> bool:
        now, used = self._store.now(), token.used_at or token.made_at
        idle = token.kind is TokenKind.SESSION and now - used > SESSION_IDLE_S
        if user.disabled or now >= token.expires_at or idle:
            return False
        if token.used_at is None or now - used >= USED_EVERY_S:
            self._store.note_use(token.id, now)
        return True

    def log_in(self, name: str, password: str, address: str) -> tuple[User, Made]:
        """A session. Raises `NotAuthorised` for a wrong name or password, `TooManyAttempts`."""
        user = self._known(name, password, address)
        return user, self._make(user, TokenKind.SESSION, "login", SESSION_S, user.role)

    def log_in_verified(self, name: str, login: VerifiedLogin) -> tuple[User, Made]:
        """A session of a user whose identity was verified elsewhere.

        Raises `NotKnown` for a user who is not here and is not to be added, `NotAuthorised` if disabled.
        """
        try:
            user = self._store.user(name)
        except NotKnown:
            user = self._added(name, login)
        if user.disabled:
            raise NotAuthorised(f"the user {name} is disabled; ask an admin")
        stated = UserChange(role=login.role, groups=login.groups)
        if (login.role or user.role, login.groups if login.groups is not None else user.groups) != (
            user.role,
            user.groups,
        ):
            user = self.change_user(name, stated)
        return user, self._make(user, TokenKind.SESSION, "verified login", SESSION_S, user.role)

    def _added(self, name: str, login: VerifiedLogin) -> User:
        """A new user without a password."""
        if login.create is None:
            raise NotKnown(
                f"there is no user {name[:40]!r} here; an admin adds it with `blindspot users add`"
            )
        groups = tuple(sorted(set(login.groups or ())))
        user = User(name, login.role or login.create, self._store.now(), password_hash="", groups=groups)
        if name == DATA_FOLDER.name or not self._store.add(user):
            raise NotNow(f"the user {name} cannot be added; try again")
        return user

    def _known(self, name: str, password: str, address: str) -> User:
        """The user with this name and password; a failure is counted."""
        keys = (f"name {name}", f"address {address}")
        if (wait := self._limits.wait_s(*keys)) > 0:
            self._on_refusal(CredentialRefusal(Interface.LOGIN, "too many attempts", address, "users"))
            raise TooManyAttempts(f"too many failed logins; try again in {wait:.0f} s", wait_s=wait)
        try:
            user = self._store.user(name)
        except NotKnown:
            user = None
        if not passwords.holds(password, user.password_hash if user else "") or user is None or user.disabled:
            self._limits.failed(*keys)
            logger.warning("a login as %.40r from %s failed", name, address)
            whom = "users" if user is None else f"user {user.name}"
            self._on_refusal(CredentialRefusal(Interface.LOGIN, "wrong name or password", address, whom))
            raise NotAuthorised("name or password is wrong")
        self._limits.succeeded(*keys)
        return user

    def log_out(self, token: str) -> None:
        """End a session, or revoke an API token."""
        self._store.remove_token(token)

    def add_user(self, new: NewUser) -> User:
        """Add a user. Raises `NotNow` if the name is taken, `BadRequest` for a password that is a name."""
        _refuse_weak(new.password, new.name)
        user = User(
            new.name,
            new.role,
            self._store.now(),
            password_hash=passwords.hashed(new.password),
            groups=tuple(sorted(set(new.groups))),
        )
        if new.name == DATA_FOLDER.name or not self._store.add(user):
            raise NotNow(f"there is a user {new.name} already; choose another name, or change that user")
        return user

    def change_user(self, name: str, change: UserChange) -> User:
        """Change a user; its sessions end with another role, limit or password.

        Raises `NotKnown`, `BadRequest`.
        """
        before = self._store.user(name)
        values: dict[str, Any] = change.model_dump(exclude_none=True, exclude={"password"})
        if change.password is not None:
            _refuse_weak(change.password, name)
            values["password_hash"] = passwords.hashed(change.password)
        if "groups" in values:
            values["groups"] = tuple(sorted(set(values["groups"])))
        after = self._store.change(name, **values)
        scope = after.role, after.groups
        if change.password is not None or after.disabled or scope != (before.role, before.groups):
            self._store.remove_sessions(name)
        return after

    def change_password(self, name: str, present: str, new: str, address: str) -> None:
        """Change a user's own password. Raises `NotAuthorised` if the present one is wrong."""
        self._known(name, present, address)
        self.change_user(name, UserChange(password=new))

    def user(self, name: str) -> User:
        """One user. Raises `NotKnown`."""
        return self._store.user(name)

    def users(self) -> list[User]:
        """All users by name."""
        return self._store.users()

    def make_token(self, caller: Principal, new: NewToken) -> Made:
        """An API token of the caller, or of the user that an admin names.

        Raises `NotKnown` for a user who is not there, `BadRequest` for a role above that of the user.
        """
        if new.user not in (None, caller.name) and not caller.administers:
            raise BadRequest(f"{caller.name} can make tokens of {caller.name} alone; leave the user out")
        user = self._store.user(new.user or caller.name)
        highest = user.role if caller.administers else caller.role.at_most(user.role)
        role = new.role or highest
        if not highest.includes(role):
            raise BadRequest(f"a token of {user.name} can have at most the role {highest}, not {role}")
        return self._make(user, TokenKind.API, new.label, new.days * DAY_S, role)

    def token(self, token: str) -> Token:
        """A token by its id. Raises `NotKnown`."""
        found = self._store.token(token)
        if found is None:
            raise NotKnown(f"there is no token {token[:16]!r}; `blindspot tokens list` shows them")
        return found[0]

    def tokens(self, caller: Principal) -> list[Token]:
        """The caller's API tokens; an admin's list has those of all users."""
        return self._store.api_tokens(None if caller.administers else caller.name)

    def revoke_token(self, caller: Principal, token: str) -> None:
        """Revoke an API token that the caller can list. Raises `NotKnown`."""
        if token not in {one.id for one in self.tokens(caller)}:
            raise NotKnown(f"there is no token {token[:16]!r}; `blindspot tokens list` shows them")
        self._store.remove_token(token)

    def _make(self, user: User, kind: TokenKind, label: str, seconds: int, role: UserRole) -> Made:
        token_id, secret, now = secrets.token_hex(6), secrets.token_hex(32), self._store.now()
        token = Token(token_id, user.name, kind, role, _hash(secret), label, now, now + seconds)
        self._store.put_token(token)
        return Made(token, f"{PREFIX}_{token_id}_{secret}")


def token_id_of(text: str) -> str:
    """The public id in the whole text of a token; any other text is the id itself."""
    return text.removeprefix(f"{PREFIX}_").partition("_")[0]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _refuse_weak(password: str, name: str) -> None:
    if name in password.lower() or len(set(password)) < 5:
        raise BadRequest("the password holds the user's name or hardly any different letters; choose another")
