"""`blindspot models|rollout`: releases, their descriptions and signatures, and their rollouts."""

import sys
import tempfile
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from cloud.api.client import RemoteCloud
from cloud.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    body_of,
    print_json,
    print_table,
    short,
    show_list,
    when,
)
from cloud.cli.dry_run import changes_state
from cloud.cli.local.model_import import import_file
from messaging.card_resources import ModelCard
from messaging.release_resources import (
    ModelResource,
    RolloutApproval,
    RolloutRequest,
    RolloutResource,
    TicketRequest,
    TicketResource,
    VerificationResource,
)
from messaging.runtime.console import notes
from messaging.runtime.program import ExitCode
from messaging.runtime.quoting import url_segment
from messaging.runtime.text_files import read_bytes
from messaging.trust.manifest import MAX_BUNDLE_BYTES

models = typer.Typer(
    help="Detectors: import of your own, and releases, which are signed bundles.", no_args_is_help=True
)
teacher = typer.Typer(
    help="The network at the sites that finds what their detector misses.", no_args_is_help=True
)
rollout = typer.Typer(help="Put a release in service on all sites, in phases.", no_args_is_help=True)

models.command("import")(import_file)

DigestArgument = Annotated[str, typer.Argument(help="digest of the model, or its first 8 digits")]
RolloutArgument = Annotated[str, typer.Argument(help="id of the rollout; `last` is the newest")]


@models.command("list")
def list_models(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """List releases, newest version first."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("models", ModelResource)
    show_list(
        found,
        as_json,
        title="Models",
        columns=("model", "role", "version", "channel", "parent", "campaign", "sites", "signed"),
        row=lambda m: (
            short(m.digest), m.role, m.version, m.channel, short(m.parent_digest), m.campaign, m.sites,
            when(m.signed_at),
        ),
        empty="No model is released yet.",
    )  # fmt: skip


@models.command("show")
def show(digest: DigestArgument, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Show one release: its classes with their thresholds, where it runs, and its downgrade ticket."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get(f"models/{url_segment(digest)}", ModelResource)
    if as_json:
        print_json(found)
        return
    thresholds = found.description.get("thresholds", {})
    signed, permits = found.ticket, "none"
    if signed is not None:
        permits = f"{signed.number}, until {when(signed.expires_at_utc)}"
    rows = [
        ("name", found.name),
        ("digest", found.digest),
        ("role", found.role),
        ("channel", found.channel),
        ("version", found.version),
        ("bytes", found.length_bytes),
        ("parent", short(found.parent_digest)),
        ("campaign", found.campaign),
        ("signed", when(found.signed_at)),
        ("classes from", ", ".join(f"{name} {value:g}" for name, value in thresholds.items())),
        ("runs at", found.sites),
        ("downgrade ticket", permits),
    ]
    print_table(f"Model {short(found.digest)}", ("", ""), rows, "")


class CardFormat(StrEnum):
    """How a card is printed."""

    MARKDOWN = "markdown"
    JSON = "json"


@models.command("card")
def card(
    digest: DigestArgument,
    data: DataOption = DEFAULT_DATA,
    form: Annotated[
        CardFormat, typer.Option("--format", help="for people, or for programs")
    ] = CardFormat.MARKDOWN,
    as_json: JsonOption = False,
) -> None:
    """Print the algorithm-register card of a release: purpose, data, evaluation, blind spots, decisions."""
    path = f"models/{url_segment(digest)}/card"
    with RemoteCloud.of_folder(data) as cloud:
        if as_json or form is CardFormat.JSON:
            print_json(cloud.get(path, ModelCard))
        else:
            sys.stdout.write(cloud.text(f"{path}.md"))


@models.command("ticket")
@changes_state
def ticket(
    digest: DigestArgument,
    site: Annotated[
        list[str] | None, typer.Option("--site", help="a site that may use it; again for more; default: all")
    ] = None,
    days: Annotated[float, typer.Option("--days", min=0.01, max=365.0, help="how long it is valid")] = 7.0,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="withdraw the release's ticket")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Sign a downgrade ticket: sites may go back to this release below their version floor, once each."""
    with RemoteCloud.of_folder(data) as cloud:
        path = f"models/{url_segment(digest)}/ticket"
        if withdraw:
            ended = cloud.send("DELETE", path, TicketResource)
            notes.print(f"ticket {ended.number} is withdrawn; a site that has used it keeps its model")
            return
        signed = cloud.send("POST", path, TicketResource, TicketRequest(sites=tuple(site or ()), days=days))
    if as_json:
        print_json(signed)
        return
    who = ", ".join(signed.sites) or "every site"
    notes.print(
        f"ticket {signed.number}: {who} may go back to {digest} until {when(signed.expires_at_utc)}; "
        f"`blindspot rollout start {digest}` orders it"
    )


@models.command("verify")
def verify(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Verify the signatures of all releases as a site does, and the bundles stored here; no cloud needed."""
    from cloud.api.computed.verification import verifications
    from cloud.settings import DataFolder
    from messaging.trust.signing import Repository

    folder = DataFolder(data)
    digests = list(Repository.open(folder.releases).releases())
    found = verifications(folder, digests, time.time())
    if as_json:
        print_json(found)
    else:
        _print_verified(found)
    if not all(one.valid for one in found):
        raise typer.Exit(ExitCode.FAILED)


def _print_verified(found: Sequence[VerificationResource]) -> None:
    rows = [
        (one.role, one.version, when(one.expires_at_utc), f"{len(one.signed_by)} of {one.threshold}",
         ", ".join(short(key) for key in one.signed_by))
        for one in (found[0].signatures if found else ())
    ]  # fmt: skip
    columns = ("role", "version", "expires", "signatures of needed", "keys")
    print_table("Signed metadata of the releases", columns, rows, "no release is signed yet")
    for one in found:
        if one.valid:
            notes.print(f"{short(one.digest)} version {one.version} {one.channel}: signatures are valid")
        else:
            notes.print(one.fault, style="red")


@teacher.command("publish")
@changes_state
def publish_teacher(
    file: Annotated[Path, typer.Argument(help="a detector bundle (.onnx) or a weights file (.safetensors)")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Sign a network as the fleet's teacher and roll it out to all sites in phases."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.upload("teachers", ModelResource, _bundle_of(file))
    if as_json:
        print_json(found)
        return
    notes.print(
        f"teacher {short(found.digest)} (version {found.version}) is released; `blindspot rollout status` "
        "shows its rollout, `blindspot sites list` the teacher of each site"
    )


def _bundle_of(file: Path) -> bytes:
    """A bundle's bytes; a weights file is exported first. Raises `FileFault`, `WeightsRefused`."""
    if file.suffix != ".safetensors":
        return read_bytes(file, limit_bytes=MAX_BUNDLE_BYTES)
    from cloud.detector.model_files import ModelFiles

    with tempfile.TemporaryDirectory() as folder:
        models_there = ModelFiles(Path(folder))
        return models_there.bundle(models_there.export(file)).read_bytes()


@rollout.command("start")
@changes_state
def start(digest: DigestArgument, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Roll out a release in groups: canary, a tenth, half, all of the sites; each is held."""
    with RemoteCloud.of_folder(data) as cloud:
        full = cloud.get(f"models/{url_segment(digest)}", ModelResource).digest
        _print_rollout(cloud.send("POST", "rollouts", RolloutResource, RolloutRequest(digest=full)), as_json)


@rollout.command("list")
def list_rollouts(
    campaign: Annotated[str | None, typer.Option(help="only those of this campaign")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List rollouts and shadow runs, newest first."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("rollouts", RolloutResource, campaign=campaign)
    show_list(
        found,
        as_json,
        title="Rollouts",
        columns=("rollout", "model", "phase", "sites", "began", "reason"),
        row=lambda r: (
            r.id, short(r.digest), _phase(r), r.number_of_sites, when(r.created_at), r.reason
        ),
        empty="No rollout yet; the last stages of a campaign start one.",
    )  # fmt: skip


@rollout.command("status")
def status(
    identity: RolloutArgument = "last", data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Show the phase of a rollout, each site and what its guard measured, and who did what when."""
    with RemoteCloud.of_folder(data) as cloud:
        _print_rollout(cloud.get(f"rollouts/{url_segment(_id(cloud, identity))}", RolloutResource), as_json)


@rollout.command("pause")
@changes_state
def pause(
    identity: RolloutArgument = "last", data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Pause a rollout: no further group is ordered; failures still roll it back."""
    _move(identity, "pause", data, as_json)


@rollout.command("resume")
@changes_state
def resume(
    identity: RolloutArgument = "last", data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Resume a paused rollout."""
    _move(identity, "resume", data, as_json)


@rollout.command("approve")
@changes_state
def approve(
    identity: RolloutArgument = "last",
    group: Annotated[
        str | None, typer.Option(help="the group to approve; refused if another one waits")
    ] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Order the group that waits for approval (`rollout.approval_before` names such groups)."""
    _move(identity, "approve", data, as_json, body_of(RolloutApproval, group=group))


@rollout.command("stop")
@changes_state
def stop(
    identity: RolloutArgument = "last", data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Emergency stop: from now on no site changes its model; those that run the release keep it."""
    _move(identity, "stop", data, as_json)


@rollout.command("rollback")
@changes_state
def roll_back(
    identity: RolloutArgument = "last", data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Order every site of a rollout back to the previous model."""
    _move(identity, "rollback", data, as_json)


def _move(identity: str, verb: str, data: Path, as_json: bool, body: BaseModel | None = None) -> None:
    with RemoteCloud.of_folder(data) as cloud:
        path = f"rollouts/{url_segment(_id(cloud, identity))}/{verb}"
        _print_rollout(cloud.send("POST", path, RolloutResource, body), as_json)


def _id(cloud: RemoteCloud, identity: str) -> str:
    if identity != "last":
        return identity
    found = cloud.page("rollouts", RolloutResource)
    if not found:
        notes.print("There is no rollout yet; start one with `blindspot rollout start DIGEST`.")
        raise typer.Exit(ExitCode.FAILED)
    return found[0].id


def _print_rollout(found: RolloutResource, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    title = f"Rollout {found.id} of {found.role} {short(found.digest)}: {_phase(found)}"
    rows = [(site.site, site.group, site.state, site.reason) for site in found.sites]
    print_table(f"{title} {found.reason}", ("site", "group", "state", "reason"), rows, "no sites")
    guards = [
        (one.site, seen.outcome, seen.latency_text, seen.output_text, seen.alarms_text, seen.recall_text)
        for one in found.sites
        if (seen := one.guard) is not None
    ]
    columns = ("site", "outcome", "latency", "output", "unconfirmed boxes", "recall on the teacher's tracks")
    print_table("Guard in service", columns, guards, "no guard has reported")
    events = [(when(event.at), event.by, event.action, event.note) for event in found.events]
    print_table("History", ("when", "who", "what", "note"), events, "no history")


def _phase(found: RolloutResource) -> str:
    paused = " (paused)" if found.paused else ""
    waits = f" ({found.awaiting} waits for `blindspot rollout approve`)" if found.awaiting else ""
    return f"{found.phase}{paused}{waits}"
