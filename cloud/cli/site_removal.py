"""`blindspot sites remove`: what a revoked site reported is deleted, over the REST API."""

from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import DEFAULT_DATA, DataOption, JsonOption, print_json, print_table, short
from cloud.cli.fleet import sites
from messaging.api.site_removal import RemovalRequest, SiteRemovalResource
from messaging.runtime.console import notes
from messaging.runtime.quoting import url_segment


@sites.command("remove")
def remove_site(
    site: Annotated[str, typer.Argument(help="the site's name")],
    reject_images: Annotated[
        bool,
        typer.Option("--reject-images", help="leave the images of its campaigns out of later trainings"),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask for confirmation")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Delete everything that a revoked site reported, and list the campaigns and models made with it."""
    if not yes:
        typer.confirm(f"Delete every report of site {site}? This cannot be undone", abort=True)
    with RemoteCloud.of_folder(data) as cloud:
        body = RemovalRequest(reject_images=reject_images)
        found = cloud.send("POST", f"sites/{url_segment(site)}/remove", SiteRemovalResource, body)
    if as_json:
        print_json(found)
        return
    print_table(
        f"Campaigns with evidence of {site}",
        ("campaign", "failure modes", "of the site", "images", "models"),
        [
            (c.campaign, c.modes, f"{c.own} of {c.evidence}", c.images, tuple(map(short, c.releases)))
            for c in found.campaigns
        ],
        f"No campaign was planned with evidence of {site}.",
    )
    counts = ", ".join(f"{count:,} {table.replace('_', ' ')}" for table, count in found.deleted.items())
    notes.print(f"deleted of site {site}: {counts}; images rejected: {found.rejected_images:,}")
