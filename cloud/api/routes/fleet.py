"""API routes of the fleet: overview, sites, cameras, ledgers."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Depends

from cloud.api.access.caller import Caller, Visible, sites_of_group
from cloud.api.paging import MAX_LIMIT, Cursor, Limit, decode_cursor, page_of_query, pair_cursor, text_cursor
from cloud.api.services import CloudServices
from cloud.api.views import ONLINE_S, camera_view, ledger_view, site_view
from cloud.errors import BadRequest
from cloud.failure_modes.register import open_modes, open_modes_by_site
from cloud.store.lists.filters import CameraFilter, SiteFilter
from cloud.store.records import ACTIVE_STATES
from cloud.store.retention.site_removal import DerivedCampaign
from messaging.access_resources import GroupName, GroupRequest
from messaging.api.site_removal import (
    DerivedCampaignResource,
    RemovalPlanResource,
    RemovalRequest,
    SiteRemovalResource,
)
from messaging.api.sites import CameraResource, LedgerEntryResource, SiteGroupResource
from messaging.fields import Slug
from messaging.resources import (
    LedgerResource,
    OverviewResource,
    Page,
    SiteResource,
    VerifiedLedgerResource,
)

_DAY_S = 86_400

router = APIRouter(tags=["fleet"])


@router.get("/overview")
def overview(services: CloudServices, visible: Visible, group: Slug | None = None) -> OverviewResource:
    """The numbers of the first page; sites and hazards are those that the caller may see.

    With a `group` of sites they are of these alone, and failure modes those with evidence from them;
    campaigns are of the whole fleet.
    """
    current, now = services.register.main_model(), services.clock()
    fleet, lists = services.reports.fleet, services.reports.lists
    modes = open_modes(services.register.modes())
    if group is not None:
        visible = sites_of_group(services, group, visible)
        modes = [mode for mode in modes if visible & set(mode.sites)]
    sites, online = fleet.count(visible, online_since=now - ONLINE_S)
    return OverviewResource(
        sites=sites,
        sites_online=online,
        hazards_in_24_h=lists.count_hazards(since_utc=int(now) - _DAY_S, visible=visible),
        open_failure_modes=len(modes),
        campaigns_running=len(services.campaign_rows.recent(states=ACTIVE_STATES)),
        sites_on_current_model=sum(one.model_digest == current for one in fleet.running(visible) if current),
        current_model=current,
        faults=services.readiness(),
    )


@router.get("/sites")
def sites(
    services: CloudServices,
    visible: Visible,
    wanted: Annotated[SiteFilter, Depends()],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[SiteResource]:
    """Sites by name with their last heartbeats."""
    now = services.clock()
    found = services.reports.fleet.sites(
        wanted, visible, online_since=now - ONLINE_S, after=text_cursor(cursor), limit=limit + 1
    )
    names = [site.site for site, _ in found]
    ledgers = services.ledgers.receipts(names)
    opened = open_modes_by_site(services.register.modes(), names)
    return page_of_query(
        found,
        limit,
        place=lambda one: one[0].site,
        show=lambda one: site_view(*one, now, ledgers.get(one[0].site), opened[one[0].site]),
    )


@router.get("/site-groups")
def site_groups(
    services: CloudServices, visible: Visible, cursor: Cursor = None, limit: Limit = 100
) -> Page[SiteGroupResource]:
    """Groups of sites by name."""
    found = services.reports.fleet.groups(visible, after=text_cursor(cursor), limit=limit + 1)
    return page_of_query(
        found,
        limit,
        place=lambda one: one[0],
        show=lambda one: SiteGroupResource(group=one[0], sites=one[1]),
    )


@router.post("/site-groups/{group}/rename")
def rename_group(services: CloudServices, group: Slug, request: GroupName) -> SiteGroupResource:
    """Rename a group of sites, for its sites and for the users who are limited to it."""
    return SiteGroupResource(group=request.name, sites=services.histories.groups.rename(group, request.name))


@router.get("/cameras")
def cameras(
    services: CloudServices,
    visible: Visible,
    wanted: Annotated[CameraFilter, Depends()],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[CameraResource]:
    """Cameras in the last heartbeats of their sites, by site."""
    found = services.reports.fleet.cameras(
        wanted, visible, after=pair_cursor(cursor, str, int), limit=limit + 1
    )
    budgets = services.reports.fleet.budgets({camera.site for camera, _ in found})
    return page_of_query(
        found,
        limit,
        place=lambda one: [one[0].site, one[1]],
        show=lambda one: camera_view(one[0], budgets.get((one[0].site, one[0].health.camera))),
    )


@router.get("/ledger")
def ledger(
    services: CloudServices, visible: Visible, cursor: Cursor = None, limit: Limit = MAX_LIMIT
) -> Page[LedgerResource]:
    """Messages received by site and kind: count and bytes."""
    found = services.reports.lists.ledger_totals(
        visible, after=pair_cursor(cursor, str, str), limit=limit + 1
    )
    return page_of_query(
        found, limit, place=lambda one: [one.site, one.kind], show=LedgerResource.model_validate
    )


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


@router.get("/sites/{site}/removal")
def removal_plan(services: CloudServices, site: Slug) -> RemovalPlanResource:
    """What a removal of the site would delete, and the campaigns and models that were made with it."""
    known, removal = services.reports.site(site), services.histories.removal
    return RemovalPlanResource(
        site=site, revoked=known.revoked, rows=removal.counts(site), campaigns=_derived(removal.derived(site))
    )


@router.post("/sites/{site}/remove")
def remove_site(
    services: CloudServices, caller: Caller, site: Slug, request: RemovalRequest
) -> SiteRemovalResource:
    """Delete everything that a revoked site reported, and name what was made of it."""
    services.reports.site(site)
    done = services.histories.removal.remove(site, reject_images=request.reject_images, by=caller.name)
    return SiteRemovalResource(
        site=site,
        deleted=done.deleted,
        campaigns=_derived(done.campaigns),
        rejected_images=done.rejected_images,
    )


@router.post("/sites/{site}/quarantine")
def quarantine_site(services: CloudServices, site: Slug) -> SiteResource:
    """Learn nothing from a site's evidence, old or new, until it is released."""
    return site_view(services.reports.quarantine_site(site, True), None, services.clock())


@router.post("/sites/{site}/release")
def release_site(services: CloudServices, site: Slug) -> SiteResource:
    """Count a site's evidence again."""
    return site_view(services.reports.quarantine_site(site, False), None, services.clock())


def _derived(found: Iterable[DerivedCampaign]) -> tuple[DerivedCampaignResource, ...]:
    return tuple(DerivedCampaignResource.model_validate(one) for one in found)


def _ledger_place(cursor: str | None) -> int:
    place = decode_cursor(cursor)
    match place:
        case None:
            return 0
        case [int(n)] if 0 <= n < 2**53:
            return n
    raise BadRequest("this cursor belongs to another list; begin without a cursor")
