"""`blindspot sites|cameras|ledger`: the fleet, over the REST API."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    body_of,
    percent,
    print_json,
    print_table,
    short,
    show_list,
    when,
)
from cloud.cli.dry_run import changes_state, confirm
from cloud.errors import NotKnown, NotNow
from messaging.access_resources import GroupName, GroupRequest
from messaging.api.sites import CameraResource, LedgerEntryResource, SiteGroupResource
from messaging.plurals import quantity
from messaging.resources import (
    LedgerResource,
    SiteResource,
    VerifiedLedgerResource,
)
from messaging.runtime.console import notes, out
from messaging.runtime.program import ExitCode
from messaging.runtime.quoting import url_segment

sites = typer.Typer(help="Enrol, list and revoke sites.", no_args_is_help=True)
cameras = typer.Typer(help="Cameras with their metrics.", no_args_is_help=True)
ledger = typer.Typer(help="Counts and bytes of everything that left the sites.", no_args_is_help=True)


@sites.command("list")
def list_sites(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """List sites with their model and last heartbeat."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("sites", SiteResource)
    show_list(
        found,
        as_json,
        title="Sites",
        columns=(
            "site", "state", "model", "teacher", "cameras", "open failure modes", "unsent", "last heartbeat",
            "ledger verified",
        ),
        row=lambda s: (
            s.site, _state(s), short(s.model_digest), _teacher(s), s.cameras, s.open_failure_modes,
            s.outbox_messages, when(s.last_seen_at), _ledger(s),
        ),
        empty="No site yet; add one with `blindspot sites add NAME`.",
    )  # fmt: skip


def _state(site: SiteResource) -> str:
    if site.revoked:
        return "revoked"
    link = "never connected" if site.last_seen_at is None else "online" if site.online else "offline"
    parts = (link, "quarantined" if site.quarantined else None)
    return ", ".join(part for part in (*parts, site.fallback if site.online else None) if part)


def _ledger(site: SiteResource) -> str:
    if site.ledger_fault:
        return f"contradicts itself: {site.ledger_fault}"
    if site.ledger_verified_n is None:
        return ""
    return f"to {site.ledger_verified_n} at {when(site.ledger_verified_at)}"


def _teacher(site: SiteResource) -> str:
    if site.cannot_close:
        return f"cannot close failure modes: {site.cannot_close}"
    if site.teacher_digest is None:
        return ""
    return f"{short(site.teacher_digest)}, {percent(site.teacher_fraction or 0.0)} of frames"


@sites.command("add")
@changes_state
def add_site(
    site: Annotated[str, typer.Argument(help="the site's name: small letters, digits, - and _")],
    folder: Annotated[
        Path | None, typer.Option("--out", help="new folder for all that the site starts with")
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option("--camera", metavar="NAME=SOURCE", help="with --out: a camera of the site"),
    ] = None,
    broker_port: Annotated[
        int, typer.Option(min=1, max=65535, help="with --out: the port of the site's own broker")
    ] = 4222,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Enrol a site: write its hub credentials and trust file, with --out also its configurations."""
    from cloud.fleet.hub import enrolment_of, hub_address
    from cloud.fleet.site_folder import check_site_folder, parse_cameras, write_site_folder
    from cloud.settings import DataFolder

    cameras = parse_cameras(camera or ())
    if folder is not None:
        check_site_folder(folder, cameras)
    with RemoteCloud.of_folder(data) as cloud:
        cloud.send("PUT", f"sites/{url_segment(site)}", SiteResource)
    enrolment, address = enrolment_of(DataFolder(data), site), hub_address(DataFolder(data))
    if folder is not None:
        if address is None:
            raise NotNow(
                "the hub has not started yet; start the cloud with `blindspot cloud run`, then repeat"
            )
        write_site_folder(folder, enrolment, address, cameras, broker_port=broker_port)
        notes.print(f"site {site} is enrolled; start its broker, gate and node in {folder}:")
        out.print(
            f"blindspot-edge broker --site {site} --folder broker --port {broker_port}\n"
            "blindspot-edge gate --config gate.yaml\nblindspot-edge node --config node.yaml"
        )
        return
    notes.print(f"site {site} is enrolled; copy these files to its gate and its node:")
    out.print("\n".join(str(path) for path in enrolment.files))
    if address is not None:
        notes.print(f"its gate's hub_url is {address}")


@sites.command("revoke")
@changes_state
def revoke_site(
    site: Annotated[str, typer.Argument(help="the site's name")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask for confirmation")] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Revoke a site: its credentials and reports are refused and it gets no more models."""
    confirm(f"Revoke site {site}? To enrol it again, its gate needs new credentials", yes=yes)
    _change_site(data, site, "revoke")
    notes.print(f"site {site} is revoked; enrol it again with `blindspot sites add {site}`")


@sites.command("quarantine")
@changes_state
def quarantine_site(
    site: Annotated[str, typer.Argument(help="the site's name")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Learn nothing from a site's evidence, old or new; its hazards and models go on as before."""
    _change_site(data, site, "quarantine")
    notes.print(f"site {site} is quarantined; count its evidence again with `blindspot sites release {site}`")


@sites.command("release")
@changes_state
def release_site(
    site: Annotated[str, typer.Argument(help="the site's name")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Count the evidence of a quarantined site again."""
    _change_site(data, site, "release")
    notes.print(f"the evidence of site {site} counts")


@sites.command("group")
@changes_state
def group_site(
    site: Annotated[str, typer.Argument(help="the site's name")],
    group: Annotated[str | None, typer.Argument(help="the group's name; without one, no group")] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Put a site into a group; users may be limited to the sites of some groups."""
    with RemoteCloud.of_folder(data) as cloud:
        body = body_of(GroupRequest, group=group)
        cloud.send("PUT", f"sites/{url_segment(site)}/group", SiteResource, body)
    notes.print(f"site {site} is in {f'group {group}' if group else 'no group'}")


@sites.command("rename-group")
@changes_state
def rename_group(
    group: Annotated[str, typer.Argument(help="the group's name, as in `sites groups`")],
    name: Annotated[str, typer.Argument(help="its new name, which no other group has")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Rename a group, for its sites and for the users who are limited to it; their sessions end."""
    with RemoteCloud.of_folder(data) as cloud:
        path = f"site-groups/{url_segment(group)}/rename"
        done = cloud.send("POST", path, SiteGroupResource, body_of(GroupName, name=name))
    notes.print(f"group {group} is {done.group} now; it has {quantity(done.sites, 'site')}")


@sites.command("groups")
def list_groups(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """List the groups of sites."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("site-groups", SiteGroupResource)
    show_list(
        found,
        as_json,
        title="Site groups",
        columns=("group", "sites"),
        row=lambda one: (one.group, one.sites),
        empty="No site is in a group; put one into it with `blindspot sites group SITE GROUP`.",
    )


def _change_site(data: Path, site: str, change: str) -> None:
    with RemoteCloud.of_folder(data) as cloud:
        cloud.send("POST", f"sites/{url_segment(site)}/{change}", SiteResource)


@cameras.command("list")
def list_cameras(
    site: Annotated[str | None, typer.Option(help="only this site")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List cameras with their metrics."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("cameras", CameraResource, site=site)
    show_list(
        found,
        as_json,
        title="Cameras",
        columns=("site", "camera", "connected", "frames/s in", "processed", "skipped", "p50 ms", "p95 ms",
                 "frames", "decode errors", "misdetections", "condition", "epsilon at last prototype",
                 "epsilon left", "of a budget of"),
        row=lambda c: (
            c.site, c.camera, c.connected, c.fps, c.processed_fps, c.skipped_fps, c.inference_p50_ms,
            c.inference_p95_ms, c.frames, c.decode_errors, c.misdetections, f"{c.light}-{c.weather}",
            c.epsilon_spent, c.left_text, c.budget_text,
        ),
        empty="No camera has reported yet.",
    )  # fmt: skip


@cameras.command("show")
def show_camera(
    site: Annotated[str, typer.Argument(help="the site's name")],
    camera: Annotated[str, typer.Argument(help="the camera's name, as in `cameras list`")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show one camera with everything that its site's last heartbeat and prototype state of it."""
    with RemoteCloud.of_folder(data) as cloud:
        found = {one.camera: one for one in cloud.page("cameras", CameraResource, site=site)}
    if camera not in found:
        raise NotKnown(f"site {site[:40]} has no camera {camera[:40]} (it has {', '.join(found) or 'none'})")
    if as_json:
        print_json(found[camera])
        return
    c = found[camera]
    spent = c.epsilon_spent
    budget = "none yet" if spent is None else f"epsilon {spent:g} spent at {when(c.epsilon_spent_at)}"
    rows = [
        ("state", "connected" if c.connected else "no image"),
        ("condition", f"{c.light}-{c.weather}"),
        ("frames/s", c.rates_text),
        ("frame age", f"{c.frame_age_s:.1f} s"),
        ("inference", f"p50 {c.inference_p50_ms:.0f} ms, p95 {c.inference_p95_ms:.0f} ms"),
        ("frames", f"{c.frames}, of them skipped without motion {c.skipped}"),
        ("frames by light", c.light_text),
        ("lost frames", c.dropped),
        ("failed frames", c.failures),
        ("decode errors", c.decode_errors_text),
        ("detections", c.detections),
        ("misdetections", c.misdetections),
        ("last prototype", budget),
        ("epsilon left", c.left_text),
        ("privacy budget", c.budget_text),
    ]
    print_table(f"{c.site} / {c.camera}", ("", ""), rows, "")


@ledger.command("show")
def show_ledger(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Show count and bytes of the reports received from each site, by kind."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("ledger", LedgerResource)
    show_list(
        found,
        as_json,
        title="Ledger",
        columns=("site", "kind", "count", "bytes"),
        row=lambda total: (total.site, total.kind, total.count, total.length_bytes),
        empty="Nothing has left a site yet.",
    )


@ledger.command("verify")
def verify_ledger(
    site: Annotated[str, typer.Argument(help="the site's name")],
    copy: Annotated[
        Path | None, typer.Option(help="a copy of its ledger's folder, to compare entry by entry")
    ] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Verify everything again that a site has signed about its ledger; exit code 1 for a contradiction."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get(f"sites/{url_segment(site)}/ledger", VerifiedLedgerResource)
        entries = cloud.page(f"sites/{url_segment(site)}/ledger/entries", LedgerEntryResource) if copy else ()
    if found.fault:
        notes.print(f"error: {found.fault}")
        raise typer.Exit(ExitCode.FAILED)
    if found.n is None:
        notes.print(f"site {site} has signed no checkpoint yet; its gate sends one when it connects")
        raise typer.Exit(ExitCode.FAILED)
    out.print(
        f"site {site} has signed its ledger to entry {found.n} with key {short(found.key)}; "
        f"taken at {when(found.verified_at)}, verified again now"
    )
    if copy is not None:
        with tempfile.TemporaryDirectory() as folder:
            stated = Path(folder) / "stated.json"
            stated.write_text(json.dumps([[entry.n, entry.hash] for entry in entries]))
            command = [sys.executable, "-m", "edge.cli", "ledger", "verify", "--stated", str(stated)]
            code = subprocess.run([*command, "--", str(copy)], check=False).returncode
        raise typer.Exit(code)
