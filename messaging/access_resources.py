"""The REST API's types of users: roles, sessions, API tokens and the audit log."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from messaging.fields import Slug
from messaging.resources import Resource

PASSWORD_MIN, PASSWORD_MAX = 12, 200
TOKEN_DAYS_MAX = 3650
Password = Annotated[str, StringConstraints(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX)]
Groups = Annotated[tuple[Slug, ...], Field(max_length=50)]


class UserRole(StrEnum):
    """What a user may do; each role may do all that the ones before it may.

    A viewer reads; an operator handles sites and hazards; a trainer starts campaigns and rollouts; an admin
    enrols and revokes sites, and manages users.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    TRAINER = "trainer"
    ADMIN = "admin"

    def includes(self, needed: "UserRole") -> bool:
        """Whether this role may do what `needed` may."""
        order = list(UserRole)
        return order.index(self) >= order.index(needed)

    def at_most(self, other: "UserRole") -> "UserRole":
        """The lower one of two roles."""
        return other if self.includes(other) else self


class UserResource(Resource):
    """A user. `groups`: the site groups that the user is limited to; none is no limit."""

    name: str
    role: UserRole
    groups: tuple[str, ...] = ()
    disabled: bool = False
    added_at: int | None = None


class NewUser(Resource):
    """A user to add."""

    name: Slug
    role: UserRole
    password: Password
    groups: Groups = ()


class UserChange(Resource):
    """What to change of a user; what is not given stays."""

    role: UserRole | None = None
    groups: Groups | None = None
    disabled: bool | None = None
    password: Password | None = None


class PasswordChange(Resource):
    """A user's own new password, with the present one."""

    present: Annotated[str, StringConstraints(max_length=PASSWORD_MAX)]
    new: Password


class LoginRequest(Resource):
    """A name and a password, for a session."""

    name: Annotated[str, StringConstraints(max_length=80)]
    password: Annotated[str, StringConstraints(max_length=PASSWORD_MAX)]


class VerifiedLogin(Resource):
    """A login that somebody else has verified, such as an OpenID Connect provider.

    `role` and `groups`: what that one states, to be stored with the user. `create`: the role of a user that
    is added if there is none; without it such a user is refused.
    """

    role: UserRole | None = None
    groups: Groups | None = None
    create: UserRole | None = None


class SessionResource(Resource):
    """A session: its bearer token, shown this once, and when it ends (s since 1970)."""

    token: str
    expires_at: int
    user: UserResource


class NewToken(Resource):
    """An API token to make. `role`: at most the user's own, which is the default.

    `user`: whose token it will be; only an admin makes one for somebody else.
    """

    label: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    days: Annotated[int, Field(ge=1, le=TOKEN_DAYS_MAX)] = 90
    role: UserRole | None = None
    user: Slug | None = None


class TokenResource(Resource):
    """An API token. `token` is its secret, in the answer that made it and never again."""

    id: str
    user: str
    label: str
    role: UserRole
    made_at: int
    expires_at: int
    used_at: int | None = None
    token: str | None = None


class GroupRequest(Resource):
    """The group of a site; empty for none."""

    group: Slug | None = None


class GroupName(Resource):
    """Another name of a group of sites."""

    name: Slug


class AuditResource(Resource):
    """One change: who requested what of which object, the answer's status, and the object before and after.

    A credential that the hub, the API or the login refused is an entry of the user `not recognised`: `object`
    is whom it names, `after` has the reason and the number of attempts.

    `action` is the method and the route, such as `POST /sites/{site}/revoke`, or, of a command that needs no
    running cloud, its name. A release that was signed without a request has the action `sign for CHANNEL`
    and the user `the cloud` or `campaign ID`. `address` is then empty.
    """

    id: int
    at_utc: int
    user: str
    address: str
    action: str
    object: str
    status: int
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
