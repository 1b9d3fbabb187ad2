"""`blindspot overview|failures history|failures prototypes`: the past of the fleet, over the REST API."""

from pathlib import Path
from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    percent,
    print_json,
    print_table,
    show_list,
    when,
)
from cloud.cli.failure_modes import failures
from cloud.cli.fleet import ledger, sites
from messaging.api.events import EventKind
from messaging.api.mode_history import ModeHistoryResource
from messaging.api.prototype_map import PrototypeMapResource
from messaging.api.sites import CameraResource, LedgerDayResource, LedgerEntryResource, SitePageResource
from messaging.api.trends import TrendsResource
from messaging.resources import OverviewResource
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.console import notes
from messaging.runtime.quoting import url_segment

overview = typer.Typer(help="The state of the whole fleet, and its trends.", no_args_is_help=True)


@overview.command("show")
def show(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Show the numbers of the first page."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get("overview", OverviewResource)
    if as_json:
        print_json(found)
        return
    rows = [
        ("sites online", f"{found.sites_online} of {found.sites}"),
        ("hazards in 24 hours", found.hazards_in_24_h),
        ("open failure modes", found.open_failure_modes),
        ("campaigns that run", found.campaigns_running),
        ("sites on the current model", found.sites_on_current_model),
        ("current model", found.current_model),
        *(("fault", fault) for fault in found.faults),
    ]
    print_table("Overview", ("", ""), rows, "")


@overview.command("trends")
def trends(
    since: Annotated[int | None, typer.Option(help="seconds since 1970; default: a week ago")] = None,
    until: Annotated[int | None, typer.Option(help="seconds since 1970; default: now")] = None,
    group: Annotated[str | None, typer.Option(help="only the sites of this group")] = None,
    bucket: Annotated[
        str | None, typer.Option(help="hour or day; default: hours for up to three days")
    ] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show what happened in each hour or day."""
    with RemoteCloud.of_folder(data) as cloud:
        asked = {"since": since, "until": until, "group": group, "bucket": bucket}
        found = cloud.get("overview/trends", TrendsResource, **asked)
    if as_json:
        print_json(found)
        return
    print_table(
        "Trends",
        ("from", "hazards", "misdetections", "sites reporting", "on the current model", "open failure modes"),
        [
            (when(p.at), p.hazards, p.misdetections, p.sites_reporting,
             f"{p.sites_on_current_model} of {p.sites}",
             "not recorded" if p.open_failure_modes is None else p.open_failure_modes)
            for p in found.points
        ],
        "",
    )  # fmt: skip
    for note in found.notes:
        notes.print(f"note: {note}")


@overview.command("events")
def events(
    kind: Annotated[
        list[EventKind] | None, typer.Option(help="only this kind; again for more; default: all")
    ] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Print what changes, one JSON object a line, until the stream ends after ten minutes."""
    with RemoteCloud.of_folder(data) as cloud:
        for event in cloud.live(kind or ()):
            typer.echo(event.model_dump_json())


@sites.command("show")
def show_site(
    site: Annotated[str, typer.Argument(help="the site's name")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show one site: its cameras, clock and refused messages, and the commands to run next."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get(f"sites/{url_segment(site)}", SitePageResource)
    if as_json:
        print_json(found)
        return
    rows = [
        ("enrolment", found.enrolment),
        ("group", found.site.site_group),
        ("last heartbeat", when(found.site.last_seen_at)),
        ("model", found.site.model_digest),
        ("teacher", found.site.teacher_digest),
        ("open failure modes", found.site.open_failure_modes),
        ("unsent messages", found.site.outbox_messages),
        ("clock ahead by", "" if found.clock_skew_s is None else f"{found.clock_skew_s} s"),
        ("epsilon spent", found.site.epsilon_spent),
        ("bytes beside payloads", found.site.transport_bytes),
        ("dead letters", found.dead_letters),
        *(("camera", _camera(camera)) for camera in found.cameras),
        *(("run next", command) for command in found.commands),
    ]
    print_table(f"Site {found.site.site}", ("", ""), rows, "")


def _camera(camera: CameraResource) -> str:
    text = f"{camera.camera}: {camera.fps:.1f} fps, {camera.light}-{camera.weather}"
    if camera.epsilon_spent is not None:
        spent, at = camera.epsilon_spent, when(camera.epsilon_spent_at)
        text = f"{text}, epsilon {spent:.3g} at its last prototype, {at}"
    return f"{text}, epsilon left: {camera.left_text}, budget: {camera.budget_text}"


@ledger.command("days")
def ledger_days(
    since: Annotated[int | None, typer.Option(help="seconds since 1970; default: a week ago")] = None,
    until: Annotated[int | None, typer.Option(help="seconds since 1970; default: now")] = None,
    site: Annotated[str | None, typer.Option(help="only this site")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show count and bytes of the messages received on each day, by site and kind."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("ledger/days", LedgerDayResource, since=since, until=until, site=site)
    show_list(
        found,
        as_json,
        title="Ledger by day",
        columns=("day from", "site", "kind", "count", "bytes"),
        row=lambda day: (when(day.at), day.site, day.kind, day.count, day.length_bytes),
        empty="Nothing has left a site in this time.",
    )


@ledger.command("export")
def export_ledger(
    site: Annotated[str, typer.Argument(help="the site's name")],
    file: Annotated[
        Path | None, typer.Option("--out", help="the file, which is replaced; without it they are printed")
    ] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Write number and hash of every ledger entry that a site has signed, one JSON object a line."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page(f"sites/{url_segment(site)}/ledger/entries", LedgerEntryResource)
    lines = "".join(f"{entry.model_dump_json()}\n" for entry in found)
    if file is None:
        typer.echo(lines, nl=False)
        return
    write_atomically(file, lines.encode())
    notes.print(f"{len(found)} entries are in {file}")


@failures.command("history")
def history(
    mode: Annotated[str, typer.Argument(help="its id, CLASS.CONDITION.KIND, as in `failures list`")],
    days: Annotated[int, typer.Option(min=1, max=400, help="how many days back from now")] = 90,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show the past of a failure mode: evidence and recall of each day, campaigns, changes of status."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get(f"failure-modes/{url_segment(mode)}/history", ModeHistoryResource, days=days)
    if as_json:
        print_json(found)
        return
    recall = {day.at: day.recall for day in found.recall}
    evidence = {day.at: day.sources for day in found.evidence}
    rows = [
        (
            when(at),
            ", ".join(f"{name} {n}" for name, n in evidence.get(at, {}).items()),
            percent(recall[at].value) if at in recall else "",
            f"{100 * recall[at].low:.0f}-{100 * recall[at].high:.0f}" if at in recall else "",
            recall[at].supported if at in recall else "",
        )
        for at in sorted(recall.keys() | evidence.keys())
    ]
    columns = ("day from", "misdetections", "estimated recall", "interval", "tracks")
    print_table(f"{found.id}, target {percent(found.target)}", columns, rows, "no evidence in this time")
    changes = [(when(c.at), c.before or "not recorded", c.status, c.reason) for c in found.changes]
    print_table("Status", ("when", "from", "to", "why"), changes, "its status has not changed")
    marks = [(when(m.started_at), when(m.ended_at), m.campaign, m.state, m.reason) for m in found.campaigns]
    print_table("Campaigns", ("made", "ended", "campaign", "state", "reason"), marks, "no campaign yet")


@failures.command("prototypes")
def prototypes(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Show the fleet's class prototypes on a flat map, with the failure modes of each."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get("prototypes", PrototypeMapResource)
    if as_json:
        print_json(found)
        return
    print_table(
        "Prototypes",
        ("class", "condition", "x", "y", "sites", "tracks", "signal to noise", "usable", "failure modes"),
        [
            (p.class_name, p.condition, p.x, p.y, p.sites, p.tracks, p.signal_to_noise, p.usable,
             p.failure_modes)
            for p in found.points
        ],
        "No site has released a prototype yet; a camera needs some hours of tracks for one.",
    )  # fmt: skip
