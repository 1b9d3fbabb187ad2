"""`blindspot users|tokens|audit`: who may use the cloud, and what was changed, over the REST API."""

from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import DEFAULT_DATA, DataOption, JsonOption, body_of, print_json, show_list, when
from cloud.cli.dry_run import changes_state
from messaging.access_resources import (
    AuditResource,
    NewToken,
    NewUser,
    TokenResource,
    UserChange,
    UserResource,
    UserRole,
)
from messaging.runtime.console import notes, out
from messaging.runtime.quoting import url_segment

users = typer.Typer(help="Users of the API and the dashboard, and their roles.", no_args_is_help=True)
tokens = typer.Typer(help="API tokens of users, for programs.", no_args_is_help=True)
audit = typer.Typer(help="Every requested change, and what the cloud signed by itself.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="the user's name")]
GroupOption = Annotated[
    list[str] | None,
    typer.Option("--group", help="limit to the sites of this group; may be repeated (`sites group`)"),
]


@users.command("list")
def list_users(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """List users with their roles."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("users", UserResource)
    show_list(
        found,
        as_json,
        title="Users",
        columns=("name", "role", "limited to", "state", "added"),
        row=lambda u: (
            u.name, u.role, ", ".join(u.groups), "disabled" if u.disabled else "", when(u.added_at)
        ),
        empty="No user yet; add one with `blindspot users add NAME --role viewer`.",
    )  # fmt: skip


@users.command("me")
def show_me(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Show as whom the commands ask the cloud, and with which role."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get("me", UserResource)
    if as_json:
        print_json(found)
        return
    limit = f", limited to {', '.join(found.groups)}" if found.groups else ""
    out.print_line(f"{found.name} is {found.role}{limit}")


@users.command("add")
@changes_state
def add_user(
    name: Name,
    role: Annotated[UserRole, typer.Option(help="viewer, operator, trainer or admin")],
    password: Annotated[
        str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True, help="asked for if missing")
    ],
    group: GroupOption = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Add a user, who can log in from now on."""
    body = body_of(NewUser, name=name, role=role, password=password, groups=tuple(group or ()))
    with RemoteCloud.of_folder(data) as cloud:
        cloud.send("POST", "users", UserResource, body)
    notes.print(f"{name} can log in as {role}")


@users.command("change")
@changes_state
def change_user(
    name: Name,
    role: Annotated[UserRole | None, typer.Option(help="another role")] = None,
    group: GroupOption = None,
    all_sites: Annotated[bool, typer.Option("--all-sites", help="no limit to groups any more")] = False,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="refuse or accept the user and its tokens")
    ] = None,
    password: Annotated[bool, typer.Option("--password", help="ask for a new password")] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Change a user; its sessions end with another role or password."""
    new = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if password else None
    groups = () if all_sites else tuple(group) if group else None
    change = body_of(UserChange, role=role, groups=groups, disabled=disabled, password=new)
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.send("PATCH", f"users/{url_segment(name)}", UserResource, change)
    limit = f", limited to {', '.join(found.groups)}" if found.groups else ""
    notes.print(f"{name} is {found.role}{limit}{', disabled' if found.disabled else ''}")


@tokens.command("list")
def list_tokens(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """List API tokens, latest first; their secrets are not stored."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("tokens", TokenResource)
    show_list(
        found,
        as_json,
        title="API tokens",
        columns=("id", "user", "label", "role", "ends", "last used"),
        row=lambda t: (t.id, t.user, t.label, t.role, when(t.expires_at), when(t.used_at)),
        empty="No API token yet; make one with `blindspot tokens add USER LABEL`.",
    )


@tokens.command("add")
@changes_state
def add_token(
    user: Name,
    label: Annotated[str, typer.Argument(help="what it is for")],
    days: Annotated[int, typer.Option(min=1, help="how long it holds")] = 90,
    role: Annotated[UserRole | None, typer.Option(help="at most the user's, which is the default")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make an API token of a user and print it, this once."""
    body = body_of(NewToken, user=user, label=label, days=days, role=role)
    with RemoteCloud.of_folder(data) as cloud:
        made = cloud.send("POST", "tokens", TokenResource, body)
    if as_json:
        print_json(made)
        return
    notes.print(f"token {made.id} of {user} is {made.role} until {when(made.expires_at)}; keep it:")
    out.print(made.token)


@tokens.command("revoke")
@changes_state
def revoke_token(
    token: Annotated[str, typer.Argument(help="its id, as in `tokens list`")], data: DataOption = DEFAULT_DATA
) -> None:
    """Revoke an API token."""
    with RemoteCloud.of_folder(data) as cloud:
        cloud.delete(f"tokens/{url_segment(token)}")
    notes.print(f"token {token} is revoked")


@audit.command("list")
def list_audit(
    user: Annotated[str | None, typer.Option(help="only this user's changes")] = None,
    object_: Annotated[
        str | None, typer.Option("--object", help="only changes of this, such as 'site north'")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many")] = 100,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List changes, latest first; `--json` has each object before and after."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("audit", AuditResource, most=limit, user=user, object=object_)
    show_list(
        found,
        as_json,
        title="Audit log",
        columns=("time", "user", "change", "object", "status"),
        row=lambda one: (when(one.at_utc), one.user, one.action, one.object, one.status),
        empty="Nothing was changed yet.",
    )
