"""API routes of the fleet: overview, sites, cameras, ledgers."""

from fastapi import APIRouter

from cloud.api.access.caller import Visible, VisibleSites, is_visible
from cloud.api.paging import MAX_LIMIT, Cursor, Limit, decode_cursor, page_of, page_of_query
from cloud.api.services import CloudServices, Services
from cloud.api.views import camera_views, ledger_view, site_view
from cloud.errors import BadRequest
from cloud.failure_modes.register import open_modes
from cloud.store.records import ACTIVE_STATES
from messaging.access_resources import GroupRequest
from messaging.fields import Slug
from messaging.resources import (
    CameraResource,
    LedgerEntryResource,
    LedgerResource,
    OverviewResource,
    Page,
    SiteResource,
    VerifiedLedgerResource,
)

_DAY_S = 86_400

router = APIRouter(tags=["fleet"])


def _sites_of(services: Services, visible: VisibleSites) -> list[SiteResource]:
    beats = {beat.site: beat for beat in services.reports.heartbeats(visible)}
    found = [site for site in services.reports.sites() if is_visible(site.site, visible)]
    ledgers, now = services.ledgers.receipts([site.site for site in found]), services.clock()
    return [site_view(s, beats.get(s.site), now, ledgers.get(s.site)) for s in found]


@router.get("/overview")
def overview(services: CloudServices, visible: Visible) -> OverviewResource:
    """The numbers of the first page; sites and hazards are those that the caller may see."""
    found = _sites_of(services, visible)
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


@router.get("/sites")
def sites(
    services: CloudServices, visible: Visible, cursor: Cursor = None, limit: Limit = 100
) -> Page[SiteResource]:
    """Sites with their last heartbeats."""
    return page_of(_sites_of(services, visible), cursor, limit)


@router.get("/cameras")
def cameras(
    services: CloudServices,
    visible: Visible,
    site: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[CameraResource]:
    """Cameras in the last heartbeats of their sites."""
    beats = [b for b in services.reports.heartbeats(visible) if site is None or b.site == site]
    return page_of([camera for beat in beats for camera in camera_views(beat)], cursor, limit)


@router.get("/ledger")
def ledger(
    services: CloudServices, visible: Visible, cursor: Cursor = None, limit: Limit = MAX_LIMIT
) -> Page[LedgerResource]:
    """Messages received by site and kind: count and bytes."""
    totals = [one for one in services.reports.ledger_totals() if is_visible(one.site, visible)]
    return page_of([LedgerResource.model_validate(total) for total in totals], cursor, limit)


@router.get("/sites/{site}/ledger")
def verified_ledger(services: CloudServices, site: Slug) -> VerifiedLedgerResource:
    """Verify everything again that a site has signed about its ledger."""
    return ledger_view(services.ledgers.audit(site))


@router.get("/sites/{site}/ledger/entries")
def ledger_entries(
    services: CloudServices, site: Slug, cursor: Cursor = None, limit: Limit = MAX_LIMIT
) -> Page[LedgerEntryResource]:
    """The entries that a site has signed, by number, with their hashes."""
    found = services.ledgers.entries(site, after=_ledger_place(cursor), limit=limit + 1)
    return page_of_query(found, limit, place=lambda entry: [entry.n], show=LedgerEntryResource.model_validate)


@router.put("/sites/{site}")
def add_site(services: CloudServices, site: Slug) -> SiteResource:
    """Enrol a site, before it reports or again after a revocation."""
    added = services.reports.add_site(site)
    services.enrol_credentials(site)
    return site_view(added, None, services.clock())


@router.put("/sites/{site}/group")
def group_site(services: CloudServices, site: Slug, request: GroupRequest) -> SiteResource:
    """Put a site into a group of sites, or into none; users may be limited to groups."""
    return site_view(services.reports.group_site(site, request.group or ""), None, services.clock())


@router.post("/sites/{site}/revoke")
def revoke_site(services: CloudServices, site: Slug) -> SiteResource:
    """Refuse a site from now on: its credentials, its reports, and its part in rollouts."""
    revoked = services.reports.revoke_site(site)
    services.revoke_credentials(site)
    return site_view(revoked, None, services.clock())


@router.post("/sites/{site}/quarantine")
def quarantine_site(services: CloudServices, site: Slug) -> SiteResource:
    """Learn nothing from a site's evidence, old or new, until it is released."""
    return site_view(services.reports.quarantine_site(site, True), None, services.clock())


@router.post("/sites/{site}/release")
def release_site(services: CloudServices, site: Slug) -> SiteResource:
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
