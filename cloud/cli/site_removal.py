"""`blindspot sites remove`: what a revoked site reported is deleted, over the REST API."""

from collections.abc import Sequence
from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import DEFAULT_DATA, DataOption, JsonOption, print_json, print_table, short
from cloud.cli.dry_run import confirm
from cloud.cli.fleet import sites
from cloud.errors import NotNow
from messaging.api.site_removal import (
    DerivedCampaignResource,
    RemovalPlanResource,
    RemovalRequest,
    SiteRemovalResource,
)
from messaging.plurals import row_counts
from messaging.runtime.console import notes
from messaging.runtime.quoting import url_segment


@sites.command("remove")
def remove_site(
    site: Annotated[str, typer.Argument(help="the site's name")],
    reject_images: Annotated[
        bool,
        typer.Option("--reject-images", help="leave the images of its campaigns out of later trainings"),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print what would be deleted, and delete nothing")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask for confirmation")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Delete everything that a revoked site reported, and list the campaigns and models made with it."""
    path = f"sites/{url_segment(site)}"
    with RemoteCloud.of_folder(data) as cloud:
        plan = cloud.get(f"{path}/removal", RemovalPlanResource)
        if dry_run and as_json:
            print_json(plan)
            return
        if dry_run:
            _print_campaigns(site, plan.campaigns)
            notes.print(f"a removal would delete of site {site}: {row_counts(plan.rows)}")
        if not plan.revoked:
            raise NotNow(f"site {site} is not revoked; revoke it with `blindspot sites revoke {site}` first")
        if dry_run:
            return
        confirm(f"Delete of site {site}: {row_counts(plan.rows)}? This cannot be undone", yes=yes)
        body = RemovalRequest(reject_images=reject_images)
        found = cloud.send("POST", f"{path}/remove", SiteRemovalResource, body)
    if as_json:
        print_json(found)
        return
    _print_campaigns(site, found.campaigns)
    notes.print(
        f"deleted of site {site}: {row_counts(found.deleted)}; images rejected: {found.rejected_images:,}"
    )


def _print_campaigns(site: str, campaigns: Sequence[DerivedCampaignResource]) -> None:
    print_table(
        f"Campaigns with evidence of {site}",
        ("campaign", "failure modes", "of the site", "images", "models"),
        [
            (c.campaign, c.modes, f"{c.own} of {c.evidence}", c.images, tuple(map(short, c.releases)))
            for c in campaigns
        ],
        f"No campaign was planned with evidence of {site}.",
    )
