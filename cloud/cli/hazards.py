"""`blindspot hazards`: hazard events, what operators make of them, and hazards that were missed."""

import time
import uuid
from pathlib import Path
from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    body_of,
    degrees,
    print_json,
    print_table,
    short,
    show_list,
    when,
)
from cloud.cli.dry_run import changes_state
from messaging.api.places import PlaceResource
from messaging.api.verdict_requests import MissedHazard, VerdictRequestResource
from messaging.integration_resources import DeliveryResource
from messaging.resources import HazardResource, HazardStatusRequest
from messaging.runtime.console import notes
from messaging.runtime.quoting import url_segment

hazards = typer.Typer(help="Hazard events that sites reported.", no_args_is_help=True)
SiteArgument = Annotated[str, typer.Argument(help="the site's name")]
ANSWER_POLL_S = 1.0
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


@hazards.command("show")
def show(
    site: SiteArgument, event: EventArgument, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Show one hazard event with everything that is known of it, and its deliveries to integrations."""
    path = f"hazards/{url_segment(site)}/{url_segment(event)}"
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get(path, HazardResource)
        deliveries = cloud.page(f"{path}/deliveries", DeliveryResource)
    if as_json:
        sent = [one.model_dump(mode="json") for one in deliveries]
        print_json({**found.model_dump(mode="json"), "deliveries": sent})
        return
    x, y, width, height = (f"{100 * value:.0f} %" for value in found.box)
    rows = [
        ("class", found.class_name),
        ("severity", found.severity),
        ("state", found.state),
        ("status", found.status.replace("_", " ")),
        ("camera", found.camera),
        ("zone", found.zone),
        ("condition", found.condition),
        ("confidence", f"{found.confidence:.2f}"),
        ("box", f"centre {x}, {y}; size {width} x {height} of the frame"),
        ("from", when(found.started_at_utc)),
        ("last report", when(found.at_utc)),
        ("model", short(found.model_digest)),
    ]
    print_table(f"Hazard {found.event} of {found.site}", ("", ""), rows, "")
    print_table(
        "Deliveries",
        ("number", "queued", "integration", "change", "state", "attempts", "outcome"),
        [(d.id, when(d.queued_at), d.integration, d.change, d.state, d.attempts, d.outcome)
         for d in deliveries],
        "Nothing of it was sent to an integration.",
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
            p.site, p.camera, degrees(p.longitude), degrees(p.latitude), p.open_hazards, p.severity,
        ),
        empty="No site or camera has a position; add `positions` to cloud.yaml.",
    )  # fmt: skip


@hazards.command("acknowledge")
@changes_state
def acknowledge(site: SiteArgument, event: EventArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Note that somebody deals with a hazard; integrations are notified."""
    _set_status(data, site, event, HazardStatusRequest(status="acknowledged"))


@hazards.command("resolve")
@changes_state
def resolve(site: SiteArgument, event: EventArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Note that a hazard is dealt with; integrations are notified."""
    _set_status(data, site, event, HazardStatusRequest(status="resolved"))


@hazards.command("false-alarm")
@changes_state
def false_alarm(site: SiteArgument, event: EventArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Note that a hazard was none; integrations are notified, and get nothing more of it."""
    _set_status(data, site, event, HazardStatusRequest(status="false_alarm"))


@hazards.command("missed")
@changes_state
def missed(
    site: SiteArgument,
    camera: Annotated[str, typer.Argument(help="the camera that had it in view")],
    class_name: Annotated[str, typer.Argument(metavar="CLASS", help="its hazard class")],
    minutes_ago: Annotated[float, typer.Option(help="about when it was there", min=0.0, max=60.0)] = 0.0,
    wait: Annotated[bool, typer.Option("--wait", help="wait for the answer of the site")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Report to a site that its detector missed a hazard; it searches the frames that it still keeps."""
    at_utc = round(time.time() - 60 * minutes_ago) if minutes_ago else None
    body = body_of(MissedHazard, camera=camera, class_name=class_name, at_utc=at_utc)
    path = f"sites/{url_segment(site)}/verdict-requests"
    with RemoteCloud.of_folder(data) as cloud:
        asked = cloud.send("POST", path, VerdictRequestResource, body, key=str(uuid.uuid4()))
        while wait and asked.state == "sent":
            time.sleep(ANSWER_POLL_S)
            asked = cloud.get(f"{path}/{asked.number}", VerdictRequestResource)
    if as_json:
        print_json(asked)
    else:
        state = asked.state.replace("_", " ")
        notes.print_line(f"request {asked.number} to site {asked.site}: {state}. {asked.meaning}")


@hazards.command("requests")
def requests(
    site: Annotated[str | None, typer.Option(help="only this site")] = None,
    group: Annotated[str | None, typer.Option(help="only this group of sites")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List hazards that people reported as missed, latest first, with what their sites answered."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("verdict-requests", VerdictRequestResource, site=site, group=group)
    show_list(
        found,
        as_json,
        title="Hazards reported as missed",
        columns=("number", "site", "camera", "class", "seen", "asked", "by", "state", "answered", "meaning"),
        row=lambda r: (
            r.number, r.site, r.camera, r.class_name, when(r.at_utc), when(r.asked_at), r.by,
            r.state.replace("_", " "), when(r.answered_at), r.meaning,
        ),
        empty="Nobody has reported a missed hazard; `blindspot hazards missed SITE CAMERA CLASS` does.",
    )  # fmt: skip


def _set_status(data: Path, site: str, event: str, request: HazardStatusRequest) -> None:
    with RemoteCloud.of_folder(data) as cloud:
        path = f"hazards/{url_segment(site)}/{url_segment(event)}/status"
        done = cloud.send("PUT", path, HazardResource, request)
    notes.print_line(f"hazard {done.event} of site {done.site}: {done.status.replace('_', ' ')}")
