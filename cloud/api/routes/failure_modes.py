"""API routes of failure modes: list, show, give an unknown one its class."""

from fastapi import APIRouter

from cloud.api.access.caller import Visible, VisibleSites, of_visible_sites
from cloud.api.paging import Cursor, Limit, page_of
from cloud.api.services import CloudServices, Services
from cloud.api.views import mode_view
from cloud.failure_modes.rules import FailureMode
from messaging.resources import AssignRequest, FailureModeResource, Page

router = APIRouter(prefix="/failure-modes", tags=["failure modes"])


@router.get("")
def failure_modes(
    services: CloudServices,
    visible: Visible,
    status: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[FailureModeResource]:
    """Failure modes ranked by harm."""
    modes = [m for m in services.register.modes() if status is None or m.state.status == status]
    return page_of([_view(services, mode, visible) for mode in modes], cursor, limit)


@router.get("/{mode}")
def failure_mode(services: CloudServices, mode: str, visible: Visible) -> FailureModeResource:
    """One failure mode."""
    return _view(services, services.register.mode(mode), visible)


@router.post("/{mode}/assign")
def assign(
    services: CloudServices, mode: str, visible: Visible, request: AssignRequest
) -> FailureModeResource:
    """Give a failure mode of unknown class its class."""
    return _view(services, services.register.assign(mode, request.class_name), visible)


def _view(services: Services, mode: FailureMode, visible: VisibleSites) -> FailureModeResource:
    shown = mode_view(mode, services.register.target(mode), services.register.suggested_class(mode))
    return of_visible_sites(shown, visible)
