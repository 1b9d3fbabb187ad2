"""The viewer of the page that NiceGUI is building, refreshing or handling an event of."""

from nicegui import context

from dashboards.access.access import viewer_of
from dashboards.access.viewer import Viewer


def current_viewer() -> Viewer:
    """Who has the page open. Raises `SessionEnded`; see `dashboards.access.access`."""
    return viewer_of(context.client.request)
