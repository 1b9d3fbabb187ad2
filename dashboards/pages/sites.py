"""Sites and their cameras, as their last heartbeats tell."""

from dashboards import phrases
from dashboards.markup import Html, el, number, row, table
from dashboards.pages.sections import card, empty, pill
from dashboards.snapshot import Snapshot
from messaging.resources import CameraResource, SiteResource


def section(seen: Snapshot) -> Html:
    """One table of sites, one of cameras."""
    if not seen.sites:
        return card(
            "Sites", empty("No site is known yet. `blindspot sites add NAME` enrols one."), name="sites"
        )
    sites = table(
        ("site", "state", "model", "#heard", "#unsent", "#ledger"),
        [_site(site, seen.taken_at) for site in seen.sites],
    )
    if not seen.cameras:
        cameras = empty("No camera has been heard of. A site's first heartbeat brings its cameras.")
    else:
        cameras = table(
            ("camera", "condition", "#frames/s", "#p95", "#frames", "#misdetections"),
            [_camera(camera) for camera in seen.cameras],
        )
    return card("Sites", sites, cameras, name="sites")


def _site(site: SiteResource, now: float) -> Html:
    return row(
        el("b", site.site),
        _state(site),
        _model(site),
        number(phrases.ago(site.last_seen_at, now)),
        number(phrases.MISSING if site.outbox_messages is None else f"{site.outbox_messages:,}"),
        number(f"{site.ledger_n:,}"),
        name=f"site-{site.site}",
    )


def _state(site: SiteResource) -> Html:
    if site.revoked:
        return pill("revoked", "bad")
    return pill("online", "good") if site.online else pill("offline", "bad")


def _model(site: SiteResource) -> Html:
    digest = el("code", phrases.short(site.model_digest), title=site.model_digest)
    if site.candidate_digest is None:
        return el("td", digest)
    trial = el("span", f"trying {phrases.short(site.candidate_digest)}", cls="rest")
    return el("td", digest, " ", trial)


def _camera(camera: CameraResource) -> Html:
    condition = phrases.condition(f"{camera.light}-{camera.weather}")
    return row(
        el("td", el("b", camera.camera), el("span", f" {camera.site}", cls="rest")),
        condition if camera.connected else pill("no picture", "bad"),
        number(f"{camera.fps:.1f}"),
        number(f"{camera.inference_p95_ms:.0f} ms"),
        number(f"{camera.frames:,}"),
        number(f"{camera.misdetections:,}"),
        name=f"camera-{camera.site}-{camera.camera}",
    )
