"""The trends of the first page: sums by hour or day beside the state of the fleet at the end of each."""

from collections.abc import Iterable, Sequence

from cloud.api.access.caller import VisibleSites, is_visible
from cloud.api.services import Services
from cloud.errors import BadRequest
from cloud.failure_modes.status_history import open_at
from cloud.store.history.trend_store import ModelChange, Span
from cloud.store.report_records import Site
from messaging.api.trends import TrendPoint, TrendsResource

HOUR_S, DAY_S = 3600, 86_400
MAX_POINTS = 800
_HOURLY_S = 3 * DAY_S
NOTES = (
    "heartbeats are kept only as the latest, so that how many sites were online in the past is not stored; "
    "sites_reporting counts those of which reports were received",
)


def span_of(since: int | None, until: int | None, bucket: str | None, *, now: float) -> Span:
    """The span of a request: by default the last week, in hours for up to three days. Raises `BadRequest`.

    The end is not in the span, so that the default is the second after now.
    """
    end = int(now) + 1 if until is None else until
    begin = end - 7 * DAY_S if since is None else since
    if begin >= end:
        raise BadRequest(f"since ({begin}) must be before until ({end}); both are seconds since 1970")
    wanted = bucket or ("hour" if end - begin <= _HOURLY_S else "day")
    span = Span(begin, end, HOUR_S if wanted == "hour" else DAY_S)
    if len(span.starts) > MAX_POINTS:
        raise BadRequest(
            f"{len(span.starts)} {wanted}s are more than {MAX_POINTS}; ask for less time, or for days"
        )
    return span


def trends_view(services: Services, span: Span, visible: VisibleSites, group: str | None) -> TrendsResource:
    """The trends of the sites that are visible and in the group; without a group, of all visible sites."""
    known = [site for site in services.reports.sites() if is_visible(site.site, visible)]
    counted = [site for site in known if group is None or site.site_group == group]
    names = None if visible is None and group is None else frozenset(site.site for site in counted)
    store, current = services.histories.trends, services.register.main_model()
    hazards, misdetections = store.hazards(span, names), store.misdetections(span, names)
    reporting, changes = store.reporting_sites(span, names), store.model_changes(names)
    modes = [m for m in services.register.modes() if names is None or names & set(m.sites)]
    statuses = services.register.changes()
    points = []
    for at in span.starts:
        end = min(at + span.bucket_s, span.until)
        enrolled = {site.site for site in _enrolled(counted, end)}
        points.append(
            TrendPoint(
                at=at,
                hazards=hazards.get(at, 0),
                misdetections=misdetections.get(at, 0),
                sites_reporting=reporting.get(at, 0),
                sites=len(enrolled),
                sites_on_current_model=len(enrolled & _running(changes, current, end)),
                open_failure_modes=open_at(modes, statuses, end),
            )
        )
    return TrendsResource(
        since=span.since,
        until=span.until,
        bucket_s=span.bucket_s,
        group=group,
        current_model=current,
        points=tuple(points),
        notes=NOTES,
    )


def _enrolled(sites: Iterable[Site], at: int) -> Iterable[Site]:
    """Those that were known by a time; those revoked since then are left out, as when is not stored."""
    return (site for site in sites if site.added_at <= at and not site.revoked)


def _running(changes: Sequence[ModelChange], digest: str | None, at: int) -> set[str]:
    """The sites whose last change by a time was to this model."""
    last = {change.site: change.digest for change in changes if change.at <= at}
    return {site for site, running in last.items() if digest is not None and running == digest}
