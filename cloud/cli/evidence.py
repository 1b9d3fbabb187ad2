"""`blindspot misdetections`: the evidence of failure modes, one by one, over the REST API."""

from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import DEFAULT_DATA, DataOption, JsonOption, percent, short, show_list, when
from messaging.api.evidence import MisdetectionResource

misdetections = typer.Typer(help="Misdetections that sites reported.", no_args_is_help=True)


@misdetections.command("list")
def list_misdetections(
    site: Annotated[str | None, typer.Option(help="only this site")] = None,
    group: Annotated[str | None, typer.Option(help="only sites of this group")] = None,
    camera: Annotated[str | None, typer.Option(help="only this camera")] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="only this hazard class")] = None,
    condition: Annotated[str | None, typer.Option(help="only this condition, such as night-rain")] = None,
    kind: Annotated[str | None, typer.Option(help="missed, false_alarm, wrong_class or poor_box")] = None,
    evidence: Annotated[str | None, typer.Option(help="only of this evidence source")] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many")] = 100,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List misdetections, latest first; class, condition and kind name a failure mode."""
    wanted = {"site": site, "group": group, "camera": camera, "class_name": class_name}
    wanted |= {"condition": condition, "kind": kind, "evidence": evidence}
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("misdetections", MisdetectionResource, most=limit, **wanted)
    show_list(
        found,
        as_json,
        title="Misdetections",
        columns=("minute", "site", "camera", "class", "condition", "kind", "evidence", "probability", "size",
                 "region", "model"),
        row=lambda m: (
            when(m.minute_utc), m.site, m.camera, m.class_name, m.condition, m.kind, m.evidence,
            percent(m.probability), m.size, m.region, short(m.model_digest),
        ),
        empty="No site has reported such a misdetection.",
    )  # fmt: skip
