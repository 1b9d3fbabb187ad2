"""Sets the cloud's gauges from the stores before a scrape, so that a restart changes none of them."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from prometheus_client import Gauge

from cloud.api.services import Services
from cloud.api.views import rollout_view, site_view
from cloud.errors import StoreUnavailable
from cloud.fleet.rollout_state import RolloutPhase, SiteState
from cloud.metrics import CloudMetrics
from cloud.store.records import HOLDOUT, SHADOW_OF, CampaignState, EvaluationRow, ModeStatus, Release
from messaging.releases import Role
from messaging.resources import SiteResource

SHADOW = "shadow"


def scraped(services: Services) -> bytes:
    """The exposition with all gauges as they are now; without a store theirs are absent, and `ready` is 0."""
    metrics = services.metrics
    with metrics.scraping:
        _clear(metrics)
        metrics.ready.set(not services.readiness())
        try:
            _set_fleet(services)
            _set_models(services)
            _set_work(services)
        except StoreUnavailable:
            _clear(metrics)
            metrics.ready.set(0)
        return metrics.exposition()


def _clear(metrics: CloudMetrics) -> None:
    by_label = (metrics.sites, metrics.model, metrics.failure_modes, metrics.campaigns)
    of_rollout = (metrics.rollout_sites, metrics.rollout_phase)
    for gauge in (*by_label, *of_rollout, metrics.eval_recall, metrics.deliveries_waiting):
        gauge.clear()


def _set_fleet(services: Services) -> None:
    metrics, now = services.metrics, services.clock()
    beats = {beat.site: beat for beat in services.reports.heartbeats()}
    sites = [site_view(site, beats.get(site.site), now) for site in services.reports.sites()]
    _set(metrics.sites, ("online", "offline", "revoked"), map(_state, sites))
    present = [site for site in sites if not site.revoked]
    current = services.register.main_model()
    metrics.quarantined.set(sum(site.quarantined for site in present))
    metrics.sites_on_current_model.set(sum(site.model_digest == current for site in present if current))
    metrics.unsent.set(sum(site.outbox_messages or 0 for site in present))
    metrics.shed.set(sum(site.shed or 0 for site in present))
    metrics.epsilon_max.set(max((site.epsilon_spent or 0.0 for site in present), default=0.0))


def _state(site: SiteResource) -> str:
    return "revoked" if site.revoked else "online" if site.online else "offline"


def _set_models(services: Services) -> None:
    metrics, releases = services.metrics, services.releases
    for role in Role:
        release = releases.current_service(role)
        if release is not None:
            metrics.model.labels(role, release.digest).set(1)
            if role is Role.DETECTOR and release.campaign is not None:
                rows = services.campaign_rows.evaluations(release.campaign)
                _set_recall(metrics.eval_recall, release, rows)
    for rollout in releases.rollouts(limit=1):
        view = rollout_view(rollout, None)
        _set(metrics.rollout_sites, SiteState, Counter(view.site_states).elements())
        _set(metrics.rollout_phase, RolloutPhase, [view.phase])


def _set_recall(gauge: Gauge, release: Release, rows: Iterable[EvaluationRow]) -> None:
    """Recall by class, condition and set; what several sites saw in shadow runs is added up."""
    tracks: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.model_digest != release.digest:
            continue
        if row.role == HOLDOUT and row.metrics.get("recall") is not None:
            gauge.labels(row.class_name, row.condition, HOLDOUT).set(row.metrics["recall"])
        elif row.role.startswith(SHADOW_OF):
            counts = {name: int(row.metrics.get(name, 0)) for name in ("supported", "detected")}
            tracks[row.class_name, row.condition].update(counts)
    for (class_name, condition), found in tracks.items():
        if found["supported"]:
            gauge.labels(class_name, condition, SHADOW).set(found["detected"] / found["supported"])


def _set_work(services: Services) -> None:
    metrics, rows = services.metrics, services.campaign_rows
    _set(metrics.failure_modes, ModeStatus, (mode.state.status for mode in services.register.modes()))
    states = rows.count_by_state()
    for state in CampaignState:
        metrics.campaigns.labels(state).set(states.get(state, 0))
    services.integrations.set_gauges()
    for (kept, reason), number in rows.image_counts().items():
        metrics.synthetic_images.set(number, "kept" if kept else "refused", reason)


def _set(gauge: Gauge, values: Iterable[str], found: Iterable[str]) -> None:
    """Set the number of each value; all values are there, so that a rate or an alert finds a zero."""
    counts = Counter(map(str, found))
    for value in values:
        gauge.labels(value).set(counts[str(value)])
