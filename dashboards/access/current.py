"""The viewer of the page that NiceGUI is building, refreshing or handling an event of."""

from nicegui import context

from dashboards.access.access import Access, viewer_of
from dashboards.access.viewer import Viewer


def current_viewer() -> Viewer:
    """Who has the page open. Raises `SessionEnded`; see `dashboards.access.access`."""
    return viewer_of(context.client.request)


def has_password() -> bool:
    """Whether the present session, once it has ended, can go on by a password."""
    state = context.client.request.state
    access: Access = state.access
    return access.may_renew(state.session)


async def log_in_again(password: str) -> None:
    """Let the session of the page go on. Raises `LoginRefused`, `CloudLost`, `SessionEnded`."""
    request = context.client.request
    access: Access = request.state.access
    await access.renew(request, password)
