"""One site with everything that its page shows."""

from cloud.api.services import Services
from cloud.api.views import camera_view, site_view
from cloud.failure_modes.register import open_modes_by_site
from cloud.store.lists.fleet_lists import SiteCamera
from cloud.store.report_records import Site
from messaging.api.sites import SitePageResource


def site_page(services: Services, name: str) -> SitePageResource:
    """The page of a site. Raises `NotKnown`."""
    site = services.reports.site(name)
    beat = next(iter(services.reports.heartbeats([name])), None)
    ledger = services.ledgers.receipts([name]).get(name)
    cameras = () if beat is None else beat.heartbeat.cameras
    open_here = open_modes_by_site(services.register.modes(), [name])[name]
    budgets = services.reports.fleet.budgets([name])
    enrolment = "revoked" if site.revoked else "waiting" if beat is None else "reporting"
    return SitePageResource(
        site=site_view(site, beat, services.clock(), ledger, open_here),
        cameras=tuple(camera_view(SiteCamera(name, one), budgets.get((name, one.camera))) for one in cameras),
        clock_skew_s=None if beat is None else beat.sent_at - beat.received_at,
        enrolment=enrolment,
        commands=_commands(site, enrolment),
        dead_letters=services.histories.ledger_days.dead_letters(name),
    )


def _commands(site: Site, enrolment: str) -> tuple[str, ...]:
    """What to run next; nothing at a site that reports. Programs are started in the site's folder."""
    if enrolment == "reporting":
        return ()
    name = site.site
    return (
        f"blindspot sites add {name} --out {name} --camera NAME=SOURCE",
        f"cd {name} && blindspot-edge broker --site {name} --folder broker --port 4222",
        f"cd {name} && blindspot-edge gate --config gate.yaml",
        f"cd {name} && blindspot-edge node --config node.yaml",
    )
