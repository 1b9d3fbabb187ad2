"""API routes of failure modes: list, show, their cameras, give an unknown one its class."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends

from cloud.api.access.caller import Visible, VisibleSites, sites_of_group, visible_names
from cloud.api.computed.mode_cameras import mode_cameras
from cloud.api.paging import MAX_LIMIT, Cursor, Limit, page_of
from cloud.api.services import CloudServices, Services
from cloud.api.views import mode_view
from cloud.failure_modes.rules import FailureMode
from cloud.store.lists.filters import ModeFilter
from messaging.api.mode_cameras import ModeCameraResource
from messaging.fields import Slug
from messaging.resources import AssignRequest, FailureModeResource, Page

ModeOrder = Literal["harm", "count", "last_seen"]
_ORDERS: Mapping[ModeOrder, Callable[[FailureMode], Any]] = {
    "harm": lambda mode: mode.harm,
    "count": lambda mode: mode.count,
    "last_seen": lambda mode: mode.last_seen_utc,
}
SHOWN = 20

router = APIRouter(prefix="/failure-modes", tags=["failure modes"])


@router.get("")
def failure_modes(
    services: CloudServices,
    visible: Visible,
    wanted: Annotated[ModeFilter, Depends()],
    sort: ModeOrder = "harm",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[FailureModeResource]:
    """Failure modes, the most harmful first, each with at most `SHOWN` of its sites and cameras.

    With a `group` of sites they are those with evidence from its sites; the numbers stay those of the fleet.
    """
    modes = [mode for mode in services.register.modes() if _fits(mode, wanted)]
    if wanted.group is not None:
        within = sites_of_group(services, wanted.group, visible)
        modes = [mode for mode in modes if not within.isdisjoint(mode.sites)]
    modes.sort(key=_ORDERS[sort], reverse=True)
    page = page_of(modes, cursor, limit)
    return Page(
        items=tuple(_view(services, mode, visible, most=SHOWN) for mode in page.items), next=page.next
    )


def _fits(mode: FailureMode, wanted: ModeFilter) -> bool:
    return (
        wanted.status in (None, mode.state.status)
        and wanted.class_name in (None, mode.key.class_name)
        and wanted.condition in (None, mode.key.condition.key)
        and wanted.kind in (None, mode.key.kind)
        and (wanted.site is None or wanted.site in mode.sites)
        and (wanted.camera is None or any(_is_camera(name, wanted) for name in mode.cameras))
    )


def _is_camera(name: str, wanted: ModeFilter) -> bool:
    """Whether a camera (`SITE/CAMERA`) is the one that is wanted, of any site if none is named."""
    site, _, camera = name.partition("/")
    return camera == wanted.camera and wanted.site in (None, site)


@router.get("/{mode}")
def failure_mode(services: CloudServices, mode: str, visible: Visible) -> FailureModeResource:
    """One failure mode."""
    return _view(services, services.register.mode(mode), visible)


@router.get("/{mode}/cameras")
def failure_mode_cameras(
    services: CloudServices,
    mode: str,
    visible: Visible,
    group: Slug | None = None,
    cursor: Cursor = None,
    limit: Limit = MAX_LIMIT,
) -> Page[ModeCameraResource]:
    """The cameras with evidence of a failure mode and their positions, most misdetections first; for maps."""
    if group is not None:
        visible = sites_of_group(services, group, visible)
    return page_of(mode_cameras(services, services.register.mode(mode), visible), cursor, limit)


@router.post("/{mode}/assign")
def assign(
    services: CloudServices, mode: str, visible: Visible, request: AssignRequest
) -> FailureModeResource:
    """Give a failure mode of unknown class its class."""
    return _view(services, services.register.assign(mode, request.class_name), visible)


def _view(
    services: Services, mode: FailureMode, visible: VisibleSites, *, most: int | None = None
) -> FailureModeResource:
    register = services.register
    sites, cameras = visible_names(mode.sites, visible), visible_names(mode.cameras, visible)
    shown = replace(mode, sites=sites[:most], cameras=cameras[:most])
    counted = {"site_count": len(sites), "camera_count": len(cameras)}
    view = mode_view(shown, register.target(mode), register.suggested_class(mode))
    return view.model_copy(update=counted)
