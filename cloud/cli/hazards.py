"""`blindspot hazards`: hazard events, and what operators make of them, over the REST API."""

from pathlib import Path
from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import DEFAULT_DATA, DataOption, JsonOption, show_list, when
from messaging.api.places import PlaceResource
from messaging.resources import HazardResource, HazardStatusRequest
from messaging.runtime.console import notes
from messaging.runtime.quoting import url_segment

hazards = typer.Typer(help="Hazard events that sites reported.", no_args_is_help=True)
SiteArgument = Annotated[str, typer.Argument(help="the site's name")]
EventArgument = Annotated[str, typer.Argument(help="its event, as in `hazards list`")]


@hazards.command("list")
def list_hazards(
    site: Annotated[str | None, typer.Option(help="only this site")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List hazard events, latest first."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("hazards", HazardResource, site=site)
    show_list(
        found,
        as_json,
        title="Hazards",
        columns=("started", "site", "event", "camera", "class", "severity", "state", "status", "confidence"),
        row=lambda h: (
            when(h.started_at_utc), h.site, h.event, h.camera, h.class_name, h.severity, h.state, h.status,
            h.confidence,
        ),
        empty="No site has reported a hazard yet.",
    )  # fmt: skip


@hazards.command("places")
def places(
    group: Annotated[str | None, typer.Option(help="only this group of sites")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List cameras and sites with a position, and their open hazards."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("places", PlaceResource, group=group)
    show_list(
        found,
        as_json,
        title="Places",
        columns=("site", "camera", "longitude", "latitude", "open hazards", "worst severity"),
        row=lambda p: (
            p.site, p.camera or "", p.longitude, p.latitude, p.open_hazards, p.severity or "",
        ),
        empty="No site or camera has a position; add `positions` to cloud.yaml.",
    )  # fmt: skip


@hazards.command("acknowledge")
def acknowledge(site: SiteArgument, event: EventArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Note that somebody deals with a hazard; integrations are notified."""
    _set_status(data, site, event, HazardStatusRequest(status="acknowledged"))


@hazards.command("resolve")
def resolve(site: SiteArgument, event: EventArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Note that a hazard is dealt with; integrations are notified."""
    _set_status(data, site, event, HazardStatusRequest(status="resolved"))


@hazards.command("false-alarm")
def false_alarm(site: SiteArgument, event: EventArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Note that a hazard was none; integrations are notified, and get nothing more of it."""
    _set_status(data, site, event, HazardStatusRequest(status="false_alarm"))


def _set_status(data: Path, site: str, event: str, request: HazardStatusRequest) -> None:
    with RemoteCloud.of_folder(data) as cloud:
        path = f"hazards/{url_segment(site)}/{url_segment(event)}/status"
        done = cloud.send("PUT", path, HazardResource, request)
    notes.print_line(f"hazard {done.event} of site {done.site}: {done.status.replace('_', ' ')}")
