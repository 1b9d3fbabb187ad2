"""Which role a route needs, and whether a user who is limited to some site groups may use it.

One table for all routes that change something, and for those that not everyone may read; every other route
is for any user. A route that changes something and is not in the table is refused when the API is built.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI

from cloud.access.principal import Principal
from messaging.access_resources import UserRole
from messaging.resources import API_PREFIX

READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Permission:
    """What a route needs.

    Attributes:
        role: the lowest role that may use it.
        limited: whether a user who is limited to site groups may use it. With a site in its path it is then
            about that site alone; without one it shows only visible sites, or is about the user.
    """

    role: UserRole
    limited: bool = False


ANYONE = Permission(UserRole.VIEWER, limited=True)
_VIEWER_OF_ALL = Permission(UserRole.VIEWER)
_OPERATOR_OF_SITE = Permission(UserRole.OPERATOR, limited=True)
_OPERATOR, _TRAINER, _ADMIN = (
    Permission(role) for role in (UserRole.OPERATOR, UserRole.TRAINER, UserRole.ADMIN)
)

PERMISSIONS: Mapping[tuple[str, str], Permission] = {
    ("PUT", "/sites/{site}"): _ADMIN,
    ("PUT", "/sites/{site}/group"): _ADMIN,
    ("POST", "/site-groups/{group}/rename"): _ADMIN,
    ("POST", "/sites/{site}/revoke"): _ADMIN,
    ("GET", "/sites/{site}/removal"): _ADMIN,
    ("POST", "/sites/{site}/remove"): _ADMIN,
    ("POST", "/sites/{site}/quarantine"): _OPERATOR_OF_SITE,
    ("POST", "/sites/{site}/release"): _OPERATOR_OF_SITE,
    ("PUT", "/hazards/{site}/{event}/status"): _OPERATOR_OF_SITE,
    ("POST", "/sites/{site}/verdict-requests"): _OPERATOR_OF_SITE,
    ("GET", "/integrations"): _VIEWER_OF_ALL,
    ("POST", "/integrations/{name}/test"): _OPERATOR,
    ("GET", "/deliveries"): _VIEWER_OF_ALL,
    ("POST", "/deliveries/{delivery}/replay"): _OPERATOR,
    ("GET", "/dead-letters"): _OPERATOR,
    ("GET", "/dead-letters/{letter}"): _OPERATOR,
    ("POST", "/dead-letters/{letter}/replay"): _OPERATOR,
    ("POST", "/failure-modes/{mode}/assign"): _TRAINER,
    ("POST", "/classes"): _TRAINER,
    ("POST", "/campaigns/plan"): _TRAINER,
    ("POST", "/samples"): _TRAINER,
    ("GET", "/samples/{sample}"): _VIEWER_OF_ALL,
    ("GET", "/samples/{sample}/sheet"): _VIEWER_OF_ALL,
    ("POST", "/campaigns"): _TRAINER,
    ("POST", "/campaigns/{campaign}/approve"): _TRAINER,
    ("POST", "/campaigns/{campaign}/cancel"): _TRAINER,
    ("POST", "/campaigns/{campaign}/resume"): _TRAINER,
    ("PUT", "/campaigns/{campaign}/images/{image}/review"): _TRAINER,
    ("POST", "/teachers"): _TRAINER,
    ("POST", "/models/{digest}/ticket"): _ADMIN,
    ("DELETE", "/models/{digest}/ticket"): _ADMIN,
    ("POST", "/rollouts"): _TRAINER,
    ("POST", "/rollouts/{rollout}/pause"): _TRAINER,
    ("POST", "/rollouts/{rollout}/resume"): _TRAINER,
    ("POST", "/rollouts/{rollout}/approve"): _TRAINER,
    ("POST", "/rollouts/{rollout}/stop"): _TRAINER,
    ("POST", "/rollouts/{rollout}/rollback"): _TRAINER,
    ("GET", "/users"): _ADMIN,
    ("POST", "/users"): _ADMIN,
    ("PATCH", "/users/{user}"): _ADMIN,
    ("POST", "/users/{user}/sessions"): _ADMIN,
    ("GET", "/audit"): _ADMIN,
    ("GET", "/configuration"): _ADMIN,
    ("POST", "/tokens"): ANYONE,
    ("DELETE", "/tokens/{token}"): ANYONE,
    ("POST", "/me/password"): ANYONE,
    ("DELETE", "/me/session"): ANYONE,
    ("POST", "/sessions"): ANYONE,
}


def permission_of(method: str, path: str) -> Permission:
    """What the route with this method and path needs. Raises `KeyError` for a change without a row."""
    key = (method, path.removeprefix(API_PREFIX))
    return PERMISSIONS.get(key, ANYONE) if method in READING else PERMISSIONS[key]


def refusal(principal: Principal, permission: Permission) -> str | None:
    """Why a principal may not use a route, as a sentence; None if it may."""
    if not principal.role.includes(permission.role):
        return f"{principal.name} is {principal.role}; this needs the role {permission.role}"
    if principal.limited and not permission.limited:
        return f"{principal.name} is limited to some site groups; this concerns all sites"
    return None


def routes_of(api: FastAPI) -> list[tuple[str, str]]:
    """Method and path of every route of the API's OpenAPI document."""
    paths = api.openapi()["paths"].items()
    return [(method.upper(), path) for path, methods in paths for method in methods]


def differences(routes: Iterable[tuple[str, str]]) -> list[str]:
    """The routes that change something and have no row, and the rows without a route."""
    known = {(method, path.removeprefix(API_PREFIX)) for method, path in routes}
    missing = {key for key in known if key[0] not in READING} - set(PERMISSIONS)
    return [f"{method} {path}" for method, path in sorted(missing | (set(PERMISSIONS) - known))]
