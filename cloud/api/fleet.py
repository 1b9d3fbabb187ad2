"""API routes of the fleet: overview, sites, cameras, failure modes, ledger totals."""

from fastapi import APIRouter

from cloud.api.access.caller import Visible, VisibleSites, is_visible, of_visible_sites
from cloud.api.paging import MAX_LIMIT, Cursor, Limit, decode_cursor, page_of, page_of_query
from cloud.api.services import Services
from cloud.api.views import camera_views, ledger_view, mode_view, site_view
from cloud.errors import BadRequest
from cloud.failure_modes.register import open_modes
from cloud.failure_modes.rules import FailureMode
from cloud.store.records import ACTIVE_STATES
from messaging.access_resources import GroupRequest
from messaging.fields import Slug
from messaging.resources import (
    AssignRequest,
    CameraResource,
    FailureModeResource,
    LedgerEntryResource,
    LedgerResource,
    OverviewResource,
    Page,
    SiteResource,
    VerifiedLedgerResource,
)

_DAY_S = 86_400


def fleet_routes(services: Services) -> APIRouter:
    """The routes of sites and failure modes."""
    router = APIRouter()
    _add_sites(router, services)
    _add_enrolment(router, services)
    _add_modes(router, services)
    return router


def _add_sites(router: APIRouter, services: Services) -> None:
    def sites_of(visible: VisibleSites) -> list[SiteResource]:
        beats = {beat.site: beat for beat in services.reports.heartbeats(visible)}
        found = [site for site in services.reports.sites() if is_visible(site.site, visible)]
        ledgers, now = services.ledgers.receipts([site.site for site in found]), services.clock()
        return [site_view(s, beats.get(s.site), now, ledgers.get(s.site)) for s in found]

    @router.get("/overview", tags=["fleet"])
    def overview(visible: Visible) -> OverviewResource:
        """The numbers of the first page; sites and hazards are those that the caller may see."""
        found = sites_of(visible)
        current = services.register.main_model()
        since_utc = int(services.clock()) - _DAY_S
        return OverviewResource(
            sites=len(found),
            sites_online=sum(site.online for site in found),
            hazards_in_24_h=services.reports.count_hazards(since_utc=since_utc, visible=visible),
            open_failure_modes=len(open_modes(services.register.modes())),
            campaigns_running=len(services.campaign_rows.recent(states=ACTIVE_STATES)),
            sites_on_current_model=sum(site.model_digest == current for site in found if current),
            current_model=current,
            faults=services.readiness(),
        )

    @router.get("/sites", tags=["fleet"])
    def sites(visible: Visible, cursor: Cursor = None, limit: Limit = 100) -> Page[SiteResource]:
        """Sites with their last heartbeats."""
        return page_of(sites_of(visible), cursor, limit)

    @router.get("/cameras", tags=["fleet"])
    def cameras(
        visible: Visible, site: str | None = None, cursor: Cursor = None, limit: Limit = 100
    ) -> Page[CameraResource]:
        """Cameras in the last heartbeats of their sites."""
        beats = [b for b in services.reports.heartbeats(visible) if site is None or b.site == site]
        return page_of([camera for beat in beats for camera in camera_views(beat)], cursor, limit)

    @router.get("/ledger", tags=["fleet"])
    def ledger(visible: Visible, cursor: Cursor = None, limit: Limit = MAX_LIMIT) -> Page[LedgerResource]:
        """Messages received by site and kind: count and bytes."""
        totals = [one for one in services.reports.ledger_totals() if is_visible(one.site, visible)]
        return page_of([LedgerResource.model_validate(total) for total in totals], cursor, limit)

    @router.get("/sites/{site}/ledger", tags=["fleet"])
    def verified_ledger(site: Slug) -> VerifiedLedgerResource:
        """Verify everything again that a site has signed about its ledger."""
        return ledger_view(services.ledgers.audit(site))

    @router.get("/sites/{site}/ledger/entries", tags=["fleet"])
    def ledger_entries(
        site: Slug, cursor: Cursor = None, limit: Limit = MAX_LIMIT
    ) -> Page[LedgerEntryResource]:
        """The entries that a site has signed, by number, with their hashes."""
        found = services.ledgers.entries(site, after=_ledger_place(cursor), limit=limit + 1)
        return page_of_query(
            found, limit, place=lambda entry: [entry.n], show=LedgerEntryResource.model_validate
        )


def _add_enrolment(router: APIRouter, services: Services) -> None:
    @router.put("/sites/{site}", tags=["fleet"])
    def add_site(site: Slug) -> SiteResource:
        """Enrol a site, before it reports or again after a revocation."""
        added = services.reports.add_site(site)
        services.enrol_credentials(site)
        return site_view(added, None, services.clock())

    @router.put("/sites/{site}/group", tags=["fleet"])
    def group_site(site: Slug, request: GroupRequest) -> SiteResource:
        """Put a site into a group of sites, or into none; users may be limited to groups."""
        return site_view(services.reports.group_site(site, request.group or ""), None, services.clock())

    @router.post("/sites/{site}/revoke", tags=["fleet"])
    def revoke_site(site: Slug) -> SiteResource:
        """Refuse a site from now on: its credentials, its reports, and its part in rollouts."""
        revoked = services.reports.revoke_site(site)
        services.revoke_credentials(site)
        return site_view(revoked, None, services.clock())

    @router.post("/sites/{site}/quarantine", tags=["fleet"])
    def quarantine_site(site: Slug) -> SiteResource:
        """Learn nothing from a site's evidence, old or new, until it is released."""
        return site_view(services.reports.quarantine_site(site, True), None, services.clock())

    @router.post("/sites/{site}/release", tags=["fleet"])
    def release_site(site: Slug) -> SiteResource:
        """Count a site's evidence again."""
        return site_view(services.reports.quarantine_site(site, False), None, services.clock())


def _ledger_place(cursor: str | None) -> int:
    place = decode_cursor(cursor)
    match place:
        case None:
            return 0
        case [int(n)] if 0 <= n < 2**53:
            return n
    raise BadRequest("this cursor belongs to another list; begin without a cursor")


def _add_modes(router: APIRouter, services: Services) -> None:
    register = services.register

    def view(mode: FailureMode, visible: VisibleSites) -> FailureModeResource:
        shown = mode_view(mode, register.target(mode), register.suggested_class(mode))
        return of_visible_sites(shown, visible)

    @router.get("/failure-modes", tags=["failure modes"])
    def failure_modes(
        visible: Visible, status: str | None = None, cursor: Cursor = None, limit: Limit = 100
    ) -> Page[FailureModeResource]:
        """Failure modes ranked by harm."""
        modes = [m for m in register.modes() if status is None or m.state.status == status]
        return page_of([view(mode, visible) for mode in modes], cursor, limit)

    @router.get("/failure-modes/{mode}", tags=["failure modes"])
    def failure_mode(mode: str, visible: Visible) -> FailureModeResource:
        """One failure mode."""
        return view(register.mode(mode), visible)

    @router.post("/failure-modes/{mode}/assign", tags=["failure modes"])
    def assign(mode: str, visible: Visible, request: AssignRequest) -> FailureModeResource:
        """Give a failure mode of unknown class its class."""
        return view(register.assign(mode, request.class_name), visible)
