"""`blindspot failures`: failure modes, their cameras, the class of an unknown one, over the REST API."""

from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    degrees,
    percent,
    print_json,
    print_table,
    show_list,
    when,
)
from cloud.cli.dry_run import changes_state
from messaging.api.mode_cameras import ModeCameraResource
from messaging.resources import AssignRequest, FailureModeResource
from messaging.runtime.console import notes
from messaging.runtime.quoting import url_segment

failures = typer.Typer(
    help="Failure modes of the detectors in service, ranked by harm.", no_args_is_help=True
)


@failures.command("list")
def list_failures(
    status: Annotated[str | None, typer.Option(help="open, in_campaign, waiting, closed, reopened")] = None,
    group: Annotated[str | None, typer.Option(help="only with evidence from sites of this group")] = None,
    site: Annotated[str | None, typer.Option(help="only with evidence from this site")] = None,
    camera: Annotated[str | None, typer.Option(help="only with evidence of this camera")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List failure modes, most harmful first."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page(
            "failure-modes", FailureModeResource, status=status, group=group, site=site, camera=camera
        )
    show_list(
        found,
        as_json,
        title="Failure modes",
        columns=(
            "failure mode", "status", "harm", "count", "sites", "estimated recall", "tracks", "last reported"
        ),
        row=lambda m: (
            m.id, m.status, m.harm, m.count, m.site_count, _recall(m), m.recall.supported,
            when(m.last_seen_utc),
        ),
        empty="No failure mode yet; they are computed from the misdetections that sites report.",
    )  # fmt: skip


@failures.command("show")
def show_failure(
    mode: Annotated[str, typer.Argument(help="its id, CLASS.CONDITION.KIND, as in `failures list`")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show one failure mode with its evidence."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get(f"failure-modes/{url_segment(mode)}", FailureModeResource)
    if as_json:
        print_json(found)
        return
    harm = f"{found.harm:.2f} = {found.frequency_per_hour:.2f}/h x severity {found.severity} x (1 - recall)"
    recall = f"{_recall(found)} over {found.recall.supported} tracks, target {percent(found.target)}"
    rows = [
        ("status", f"{found.status} since {when(found.status_since)}"),
        ("harm", harm),
        ("estimated recall", recall),
        ("misdetections", f"{found.count}, of models in service {found.count_in_service}"),
        ("evidence", ", ".join(f"{name} {n}" for name, n in found.sources.items())),
        ("sites", found.sites),
        ("cameras", found.cameras),
        ("boxes", ", ".join(f"{g.size} {g.region} {g.weight:.0f}" for g in found.geometry)),
        ("reported", f"{when(found.first_seen_utc)} to {when(found.last_seen_utc)}"),
        ("campaign", found.campaign),
    ]
    print_table(found.id, ("", ""), rows, "")


@failures.command("cameras")
def list_cameras(
    mode: Annotated[str, typer.Argument(help="its id, CLASS.CONDITION.KIND, as in `failures list`")],
    group: Annotated[str | None, typer.Option(help="only cameras at sites of this group")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List the cameras of a failure mode with their position, most misdetections first."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page(f"failure-modes/{url_segment(mode)}/cameras", ModeCameraResource, group=group)
    show_list(
        found,
        as_json,
        title=f"Cameras of {mode}",
        columns=("site", "camera", "misdetections", "last reported", "position of", "longitude", "latitude"),
        row=lambda c: (
            c.site, c.camera, c.misdetections, when(c.last_seen_utc), c.position_of or "not configured",
            degrees(c.longitude), degrees(c.latitude),
        ),
        empty="No camera of these sites has this failure mode.",
    )  # fmt: skip


@failures.command("assign")
@changes_state
def assign_failure(
    mode: Annotated[str, typer.Argument(help="a failure mode of unknown class")],
    class_name: Annotated[str, typer.Argument(help="the hazard class to assign")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Assign a hazard class to a failure mode of unknown class."""
    with RemoteCloud.of_folder(data) as cloud:
        body = AssignRequest(class_name=class_name)
        found = cloud.send("POST", f"failure-modes/{url_segment(mode)}/assign", FailureModeResource, body)
    notes.print(f"{found.id} is assigned to class {found.assigned_class}")


def _recall(mode: FailureModeResource) -> str:
    recall = mode.recall
    if recall.value is None:
        return "unknown"
    return f"{percent(recall.value)} ({100 * recall.low:.0f}-{100 * recall.high:.0f})"
