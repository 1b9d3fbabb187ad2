"""`blindspot integrations`: where hazards are sent, and every delivery, over the REST API."""

from typing import Annotated

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.console import DEFAULT_DATA, DataOption, JsonOption, show_list, when
from cloud.cli.dry_run import change_each, changes_state
from messaging.integration_resources import DeliveryResource, IntegrationResource
from messaging.runtime.console import notes
from messaging.runtime.quoting import url_segment

integrations = typer.Typer(help="Where hazards are sent, and every delivery.", no_args_is_help=True)
_DEAD = "dead"


@integrations.command("list")
def list_integrations(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """List the configured integrations with the totals of their deliveries."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("integrations", IntegrationResource)
    show_list(
        found,
        as_json,
        title="Integrations",
        columns=("name", "kind", "target", "waiting", "delivered", "dead", "last delivered", "fault"),
        row=lambda one: (
            one.name, one.kind, one.target, one.waiting, one.delivered, one.dead,
            when(one.last_delivered_at), one.fault,
        ),
        empty="No integration is configured; docs/integrations.md shows how.",
    )  # fmt: skip


@integrations.command("test")
@changes_state
def send_test(
    name: Annotated[str, typer.Argument(help="its name, as in `integrations list`")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Send a test message to an integration; exit code 1 if it does not arrive."""
    with RemoteCloud.of_folder(data, timeout_s=90.0) as cloud:
        done = cloud.send("POST", f"integrations/{url_segment(name)}/test", DeliveryResource)
    notes.print_line(f"{name}: {done.outcome} ({done.seconds or 0.0:.2f} s)")
    if done.state == _DEAD:
        raise typer.Exit(1)


@integrations.command("deliveries")
def list_deliveries(
    integration: Annotated[str | None, typer.Option(help="only of this integration")] = None,
    state: Annotated[str | None, typer.Option(help="only waiting, delivered or dead ones")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List deliveries, latest first; the dead ones are dead letters."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("deliveries", DeliveryResource, integration=integration, state=state)
    show_list(
        found,
        as_json,
        title="Deliveries",
        columns=(
            "number", "queued", "integration", "change", "site", "event", "state", "attempts", "outcome"
        ),
        row=lambda one: (
            one.id, when(one.queued_at), one.integration, one.change, one.site, one.event, one.state,
            one.attempts, one.outcome,
        ),
        empty="Nothing was delivered yet.",
    )  # fmt: skip


@integrations.command("replay")
@changes_state
def replay_deliveries(
    deliveries: Annotated[list[int] | None, typer.Argument(help="numbers of dead letters")] = None,
    every: Annotated[bool, typer.Option("--all", help="all of them, the oldest first")] = False,
    integration: Annotated[str | None, typer.Option(help="with --all: only of this integration")] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Let dead letters wait to be sent again, under the same ids."""
    if every == bool(deliveries):
        raise typer.BadParameter("give the numbers of dead letters, or --all")
    with RemoteCloud.of_folder(data) as cloud:
        if every:
            found = cloud.page("deliveries", DeliveryResource, integration=integration, state=_DEAD)
            deliveries = sorted(one.id for one in found)

        def replay(delivery: int) -> None:
            done = cloud.send("POST", f"deliveries/{delivery}/replay", DeliveryResource)
            notes.print_line(f"delivery {done.id} waits to be sent to {done.integration}")

        change_each(deliveries or (), replay)
