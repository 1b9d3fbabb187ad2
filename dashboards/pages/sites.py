"""Sites and their cameras, from their last heartbeats."""

from dashboards import phrases
from dashboards.markup import Html, element, number, row, table
from dashboards.pages.sections import card, empty, pill
from dashboards.snapshot import Snapshot
from messaging.resources import CameraResource, SiteResource


def section(snapshot: Snapshot) -> Html:
    """One table of sites, one of cameras."""
    if not snapshot.sites:
        return card(
            "Sites", empty("No site is enrolled yet. `blindspot sites add NAME` enrols one."), name="sites"
        )
    sites = table(
        ("site", "state", "model", "teacher", "#last heartbeat", "#unsent messages", "#ledger verified"),
        [_site(site, snapshot.taken_at) for site in snapshot.sites],
    )
    if not snapshot.cameras:
        cameras = empty("No camera is known yet. Cameras appear with the first heartbeat of their site.")
    else:
        cameras = table(
            ("camera", "condition", "#frames/s", "#inference p95", "#frames", "#misdetections"),
            [_camera(camera) for camera in snapshot.cameras],
        )
    return card("Sites", sites, cameras, name="sites")


def _site(site: SiteResource, now: float) -> Html:
    return row(
        element("b", site.site),
        _state(site),
        _model(site),
        _teacher(site),
        number(phrases.ago(site.last_seen_at, now)),
        number(phrases.MISSING if site.outbox_messages is None else f"{site.outbox_messages:,}"),
        _ledger(site, now),
        name=f"site-{site.site}",
    )


def _ledger(site: SiteResource, now: float) -> Html:
    """Up to which entry and when the cloud verified the site's signed ledger."""
    if site.ledger_fault:
        return element("td", pill("contradicts itself", "bad"), f" {site.ledger_fault}")
    if site.ledger_verified_n is None:
        return number(phrases.MISSING)
    return number(f"to {site.ledger_verified_n:,} {phrases.ago(site.ledger_verified_at, now)}")


def _state(site: SiteResource) -> Html:
    if site.revoked:
        return pill("revoked", "bad")
    if site.quarantined:
        return pill("quarantined", "bad")
    if not site.online:
        return pill("offline", "bad")
    online = pill("online", "good")
    return (
        online
        if site.fallback is None
        else element("td", online, element("span", f" {site.fallback}", cls="rest"))
    )


def _model(site: SiteResource) -> Html:
    digest = element("code", phrases.short(site.model_digest), title=site.model_digest)
    if site.candidate_digest is None:
        return element("td", digest)
    trial = element("span", f"candidate {phrases.short(site.candidate_digest)}", cls="rest")
    return element("td", digest, " ", trial)


def _teacher(site: SiteResource) -> Html:
    if site.cannot_close:
        return element("td", pill("cannot close failure modes", "bad"), f" {site.cannot_close}")
    digest = element("code", phrases.short(site.teacher_digest), title=site.teacher_digest)
    if not site.teacher_fraction:
        return element("td", digest)
    seen = element("span", f"{phrases.percent(site.teacher_fraction)} of frames", cls="rest")
    return element("td", digest, " ", seen)


def _camera(camera: CameraResource) -> Html:
    condition = phrases.condition(f"{camera.light}-{camera.weather}")
    return row(
        element("td", element("b", camera.camera), element("span", f" {camera.site}", cls="rest")),
        condition if camera.connected else pill("no image", "bad"),
        number(f"{camera.fps:.1f}"),
        number(f"{camera.inference_p95_ms:.0f} ms"),
        number(f"{camera.frames:,}"),
        number(f"{camera.misdetections:,}"),
        name=f"camera-{camera.site}-{camera.camera}",
    )
