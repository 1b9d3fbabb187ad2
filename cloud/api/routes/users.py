"""API routes of users: login, one's own account, API tokens, users, the audit log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from cloud.access.accounts import Accounts, Made
from cloud.access.principal import DATA_FOLDER
from cloud.api.access.caller import Caller
from cloud.api.paging import Cursor, Limit, integer_cursor, page_of, page_of_query
from cloud.api.services import CloudServices
from cloud.errors import BadRequest
from cloud.store.access_records import User
from cloud.store.lists.filters import AuditFilter
from messaging.access_resources import (
    AuditResource,
    LoginRequest,
    NewToken,
    NewUser,
    PasswordChange,
    SessionResource,
    TokenResource,
    UserChange,
    UserResource,
    VerifiedLogin,
)
from messaging.fields import SLUG_PATTERN
from messaging.resources import CLIENT_HEADER, TOKEN_HEADER, Page

router = APIRouter(tags=["users"])


@router.post("/sessions", status_code=201)
def log_in(services: CloudServices, given: LoginRequest, request: Request) -> SessionResource:
    """A session by name and password; its bearer token is in this answer alone."""
    accounts = services.accounts
    user, made = accounts.log_in(given.name, given.password, _browser_address(request, accounts))
    return SessionResource(token=made.bearer, expires_at=made.token.expires_at, user=_view(user))


@router.get("/me")
def me(caller: Caller) -> UserResource:
    """Whom the token belongs to, with the token's role."""
    return UserResource(name=caller.name, role=caller.role, groups=tuple(sorted(caller.groups)))


@router.delete("/me/session", status_code=204)
def log_out(services: CloudServices, caller: Caller) -> None:
    """End the session; the data folder's own token stays."""
    if caller.token is not None:
        services.accounts.log_out(caller.token)


@router.post("/me/password", status_code=204)
def change_password(
    services: CloudServices, caller: Caller, change: PasswordChange, request: Request
) -> None:
    """Change one's own password; all one's sessions end."""
    services.accounts.change_password(caller.name, change.present, change.new, address_of(request))


def address_of(request: Request) -> str:
    """The address that a request came from."""
    return request.client.host if request.client else "unknown"


def _browser_address(request: Request, accounts: Accounts) -> str:
    """The address whose failed logins are counted: the browser's, if the dashboard states it."""
    stated = request.headers.get(CLIENT_HEADER, "")
    if stated and accounts.recognise(request.headers.get(TOKEN_HEADER)) is DATA_FOLDER:
        return stated[:80]
    return address_of(request)


@router.get("/tokens")
def tokens(
    services: CloudServices, caller: Caller, cursor: Cursor = None, limit: Limit = 100
) -> Page[TokenResource]:
    """One's own API tokens, an admin's list those of all users, latest first."""
    views = [TokenResource.model_validate(token) for token in services.accounts.tokens(caller)]
    return page_of(views, cursor, limit)


@router.post("/tokens", status_code=201)
def make_token(services: CloudServices, caller: Caller, new: NewToken) -> TokenResource:
    """Make an API token; its secret is in this answer alone."""
    return _token_view(services.accounts.make_token(caller, new))


@router.delete("/tokens/{token}", status_code=204)
def revoke_token(services: CloudServices, caller: Caller, token: str) -> None:
    """Revoke an API token."""
    services.accounts.revoke_token(caller, token)


@router.get("/users")
def users(services: CloudServices, cursor: Cursor = None, limit: Limit = 100) -> Page[UserResource]:
    """All users by name."""
    return page_of([_view(user) for user in services.accounts.users()], cursor, limit)


@router.post("/users", status_code=201)
def add_user(services: CloudServices, new: NewUser) -> UserResource:
    """Add a user."""
    return _view(services.accounts.add_user(new))


@router.patch("/users/{user}")
def change_user(services: CloudServices, user: str, change: UserChange) -> UserResource:
    """Change role, site groups or password of a user, or disable it."""
    return _view(services.accounts.change_user(user, change))


@router.post("/users/{user}/sessions", status_code=201)
def log_in_verified(
    services: CloudServices,
    caller: Caller,
    user: Annotated[str, Path(pattern=SLUG_PATTERN)],
    login: VerifiedLogin,
) -> SessionResource:
    """A session of a user whom the dashboard had verified elsewhere; with the data folder's token alone."""
    if caller.token is not None:
        raise BadRequest("sessions of other users are made with the data folder's token alone")
    found, made = services.accounts.log_in_verified(user, login)
    return SessionResource(token=made.bearer, expires_at=made.token.expires_at, user=_view(found))


@router.get("/audit")
def audit(
    services: CloudServices,
    wanted: Annotated[AuditFilter, Depends()],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[AuditResource]:
    """Every requested change and every release that was signed without a request, latest first."""
    found = services.audit.entries(wanted, before=integer_cursor(cursor) or None, limit=limit + 1)
    return page_of_query(found, limit, place=lambda one: one.id, show=AuditResource.model_validate)


def _view(user: User) -> UserResource:
    return UserResource.model_validate(user)


def _token_view(made: Made) -> TokenResource:
    return TokenResource.model_validate(made.token).model_copy(update={"token": made.bearer})
