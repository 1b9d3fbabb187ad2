"""`blindspot models|rollout`: releases, their cards and signatures, and how they reach the sites."""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    notes,
    print_json,
    print_table,
    short,
    show_list,
    when,
)
from messaging.resources import ModelResource, RolloutRequest, RolloutResource

models = typer.Typer(help="Released detectors.", no_args_is_help=True)
rollout = typer.Typer(help="Rollouts of releases to sites.", no_args_is_help=True)

DigestArgument = Annotated[str, typer.Argument(help="the model's digest, or its first 8 letters")]
RolloutArgument = Annotated[str, typer.Argument(help="the rollout's id; `last` for the newest")]


@models.command("list")
def list_models(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Releases, newest version first."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("models", ModelResource)
    show_list(
        found,
        as_json,
        title="Models",
        columns=("model", "version", "channel", "parent", "campaign", "sites", "signed"),
        row=lambda m: (
            short(m.digest), m.version, m.channel, short(m.parent_digest), m.campaign, m.sites,
            when(m.signed_at),
        ),
        empty="No model is released yet.",
    )  # fmt: skip


@models.command("card")
def card(digest: DigestArgument, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """What a model says of itself."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get(f"models/{digest}", ModelResource)
    if as_json:
        print_json(found)
        return
    rows = [("digest", found.digest), ("channel", found.channel), ("version", found.version)]
    rows += [("parent", found.parent_digest or ""), ("campaign", found.campaign or "")]
    rows += [(name, value) for name, value in found.description.items()]
    print_table(found.name, ("", ""), rows, "")


@models.command("verify")
def verify(data: DataOption = DEFAULT_DATA) -> None:
    """Check every release's signatures as a site would, and the bytes of the bundles kept here."""
    from cloud.settings import DataFolder
    from messaging.blobs import digest_of
    from messaging.trust.signing import Repository
    from messaging.trust.site_trust import TrustedReleases

    folder = DataFolder(data)
    repository = Repository.open(folder.releases)
    with tempfile.TemporaryDirectory() as state:
        trusted = TrustedReleases(Path(state), folder.releases, repository.site_trust)
        for digest in repository.releases():
            manifest = trusted.manifest(digest, int(time.time()))
            bundle = folder.models / digest / "model.onnx"
            if bundle.exists() and digest_of(bundle.read_bytes()) != digest:
                notes.print(f"[red]{bundle} is not the bundle that was signed[/red]")
                raise typer.Exit(1)
            notes.print(f"{short(digest)} version {manifest.version} {manifest.channel}: signatures hold")


@rollout.command("start")
def start(digest: DigestArgument, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Roll out a release to all sites in phases: canary, partial, all."""
    with RemoteCloud.of_folder(data) as cloud:
        full = cloud.get(f"models/{digest}", ModelResource).digest
        _say(cloud.send("POST", "rollouts", RolloutResource, RolloutRequest(digest=full)), as_json)


@rollout.command("status")
def status(
    identity: RolloutArgument = "last", data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Where a rollout stands, site by site."""
    with RemoteCloud.of_folder(data) as cloud:
        _say(cloud.get(f"rollouts/{_id(cloud, identity)}", RolloutResource), as_json)


@rollout.command("pause")
def pause(
    identity: RolloutArgument = "last", data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Order no further group of sites."""
    _move(identity, "pause", data, as_json)


@rollout.command("continue")
def go_on(
    identity: RolloutArgument = "last", data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Go on with a paused rollout."""
    _move(identity, "continue", data, as_json)


@rollout.command("rollback")
def roll_back(
    identity: RolloutArgument = "last", data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Order every site back to the model before."""
    _move(identity, "rollback", data, as_json)


def _move(identity: str, verb: str, data: Path, as_json: bool) -> None:
    with RemoteCloud.of_folder(data) as cloud:
        _say(cloud.send("POST", f"rollouts/{_id(cloud, identity)}/{verb}", RolloutResource), as_json)


def _id(cloud: RemoteCloud, identity: str) -> str:
    if identity != "last":
        return identity
    found = cloud.page("rollouts", RolloutResource)
    if not found:
        notes.print("There is no rollout yet; start one with `blindspot rollout start DIGEST`.")
        raise typer.Exit(1)
    return found[0].id


def _say(found: RolloutResource, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    paused = " (paused)" if found.paused else ""
    title = f"Rollout {found.id} of {short(found.digest)}: {found.phase}{paused} {found.reason}"
    rows = [(site.site, site.group, site.state, site.reason) for site in found.sites]
    print_table(title, ("site", "group", "state", "reason"), rows, "no sites")
