"""`blindspot campaign`: plan, start, watch, cancel, resume, approve, list, show, over the REST API."""

from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from ulid import ULID

from cloud import dry_runs
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
from messaging.api.campaign_plans import (
    CampaignPlanResource,
    PlannedOrderResource,
    RequirementResource,
)
from messaging.api.plan_wording import promotion_words
from messaging.resources import CampaignRequest, CampaignResource
from messaging.runtime.console import notes
from messaging.runtime.program import ExitCode
from messaging.runtime.quoting import url_segment

campaign = typer.Typer(
    help="Retraining campaigns with synthetic images, for chosen failure modes.", no_args_is_help=True
)

ModesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help="ids of failure modes, as in `failures list`; none: the most harmful that training can improve"
    ),
]
TopOption = Annotated[int, typer.Option(help="without modes: number of those to take")]
CountOption = Annotated[int | None, typer.Option(help="generated images to keep per failure mode")]
SeedOption = Annotated[
    int | None, typer.Option(help="seed of prompts and layouts; repeats a campaign's images")
]
ColdStartOption = Annotated[
    str | None,
    typer.Option(help="a class that no camera has detected yet: its first images are generated from words"),
]
ConditionOption = Annotated[
    list[str] | None,
    typer.Option("--condition", help="with --cold-start: light and weather, such as night-rain; repeatable"),
]
ControlOption = Annotated[
    bool | None,
    typer.Option(
        "--control/--no-control",
        help="train a control model too, without the campaign's images, to measure their effect "
        "(default: as configured)",
    ),
]
CampaignArgument = Annotated[str, typer.Argument(help="the campaign's id")]


@campaign.command("plan")
def plan(
    modes: ModesArgument = None,
    top: TopOption = 1,
    count: CountOption = None,
    seed: SeedOption = None,
    cold_start: ColdStartOption = None,
    condition: ConditionOption = None,
    control: ControlOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show what a campaign would do, without starting it."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.send(
            "POST",
            "campaigns/plan",
            CampaignPlanResource,
            _request(modes, top, count, seed, cold_start, condition, control),
        )
    if as_json:
        print_json(found)
        return
    rows = [(o.mode, o.class_name, o.condition, o.count, _prototype(o), _earlier(o)) for o in found.orders]
    print_table(
        f"Plan (from {short(found.incumbent_digest) or 'no model'}, {found.replay_images} replay images, "
        f"{found.calibration_images} to choose thresholds on, {found.holdout_images} in the holdout)",
        ("failure mode", "class", "condition", "images", "prototype", "kept before"),
        rows,
        "",
    )
    _print_facts(found)
    if found.control:
        notes.print("a control model is trained too, without the images of this campaign")
    if found.estimate is not None and found.estimate.total_s is not None:
        cost = "" if found.estimate.cost is None else f", {found.estimate.cost:.2f} {found.estimate.currency}"
        notes.print(f"this machine computes about {found.estimate.total_s / 60:.0f} min{cost}")
    print_table(
        "What its stages need",
        ("stage", "needs", "", "detail"),
        [(one.stage, one.name, _mark(one), one.detail) for one in found.requirements],
        "",
    )


@campaign.command("start")
def start(
    modes: ModesArgument = None,
    top: TopOption = 1,
    count: CountOption = None,
    seed: SeedOption = None,
    cold_start: ColdStartOption = None,
    condition: ConditionOption = None,
    control: ControlOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only plan, like `campaign plan`")] = False,
    watch_it: Annotated[bool, typer.Option("--watch", help="follow its progress until it ends")] = False,
    key: Annotated[str | None, typer.Option(help="idempotency key; repeating it starts nothing new")] = None,
) -> None:
    """Start a campaign."""
    if dry_run:
        with dry_runs.dry_run():
            plan(modes, top, count, seed, cold_start, condition, control, data, as_json)
        return
    with RemoteCloud.of_folder(data) as cloud:
        body = _request(modes, top, count, seed, cold_start, condition, control)
        found = cloud.send("POST", "campaigns", CampaignResource, body, key=key or str(ULID()))
        _print_state(found, as_json)
        if watch_it:
            _watch(cloud, found.id)


@campaign.command("watch")
def watch(identity: CampaignArgument, data: DataOption = DEFAULT_DATA) -> None:
    """Follow a campaign until it ends; exit code 0 only when it is done."""
    with RemoteCloud.of_folder(data) as cloud:
        _watch(cloud, identity)


@campaign.command("cancel")
@changes_state
def cancel(identity: CampaignArgument, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Cancel a campaign; finished stages are kept for `resume`."""
    _move(identity, "cancel", data, as_json)


@campaign.command("resume")
@changes_state
def resume(identity: CampaignArgument, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Resume a cancelled or failed campaign after its last finished stage."""
    _move(identity, "resume", data, as_json)


@campaign.command("approve")
@changes_state
def approve(identity: CampaignArgument, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Approve a campaign that a trigger rule started."""
    _move(identity, "approve", data, as_json)


@campaign.command("list")
def list_campaigns(
    state: Annotated[str | None, typer.Option(help="only this state")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List campaigns, newest first."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page("campaigns", CampaignResource, state=state)
    show_list(
        found,
        as_json,
        title="Campaigns",
        columns=("campaign", "state", "stage", "failure modes", "images kept", "started by", "created"),
        row=lambda c: (
            c.id, c.state, _stage_now(c), c.modes, c.images_kept, c.started_by, when(c.created_at)
        ),
        empty="No campaign yet; start one with `blindspot campaign start`.",
    )  # fmt: skip


@campaign.command("show")
def show(identity: CampaignArgument, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Show one campaign with its stages."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get(f"campaigns/{url_segment(identity)}", CampaignResource)
    if as_json:
        print_json(found)
        return
    rows = [
        (s.stage, s.state, f"{100 * s.progress:.0f} %", s.note, when(s.started_at), when(s.ended_at))
        for s in found.stages
    ]
    title = f"Campaign {found.id} is {found.state_text}"
    print_table(title, ("stage", "state", "progress", "note", "started", "ended"), rows, "")
    refused = ", ".join(f"{reason} {n}" for reason, n in sorted(found.images_refused.items()))
    notes.print(f"images kept {found.images_kept}; refused: {refused or 'none'}")


def _mark(one: RequirementResource) -> str:
    if one.met:
        return "ok"
    return "MISSING" if one.needed else "absent"


def _print_facts(plan: CampaignPlanResource) -> None:
    """Generator, prompts, what the candidate must keep to, and sites."""
    if plan.generator is not None:
        notes.print(f"generator {plan.generator.name}, licence {plan.generator.licence}")
    for order in plan.orders:
        for prompt in order.prompts:
            notes.print(f"prompt: {prompt}")
    for about, words in promotion_words(plan).items():
        notes.print(f"{about}: {words}")


def _earlier(order: PlannedOrderResource) -> str:
    return f"{order.earlier_kept} of {order.earlier_images}" if order.earlier_images else "-"


def _prototype(order: PlannedOrderResource) -> str:
    if order.prototype_cosine is None:
        return "none"
    known = f"{order.prototype_sites} sites, cosine {order.prototype_cosine:.2f}"
    return known if order.prototype_used else f"{known}, not used"


def _request(
    modes: list[str] | None,
    top: int,
    count: int | None,
    seed: int | None,
    cold_start: str | None,
    conditions: list[str] | None,
    control: bool | None,
) -> CampaignRequest:
    return body_of(
        CampaignRequest,
        modes=tuple(modes or ()),
        top=top,
        count=count,
        seed=seed,
        cold_start=cold_start,
        conditions=tuple(conditions or ()),
        options={} if control is None else {"control": control},
    )


def _move(identity: str, verb: str, data: "DataOption", as_json: bool) -> None:
    with RemoteCloud.of_folder(data) as cloud:
        path = f"campaigns/{url_segment(identity)}/{verb}"
        _print_state(cloud.send("POST", path, CampaignResource), as_json)


def _print_state(found: CampaignResource, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        notes.print(f"campaign {found.id} is {found.state}")


def _stage_now(found: CampaignResource) -> str:
    begun = [stage for stage in found.stages if stage.state != "pending"]
    return begun[-1].stage if begun else ""


def _watch(cloud: RemoteCloud, identity: str) -> None:
    try:
        last = _follow(cloud, identity)
    except KeyboardInterrupt:
        notes.print(
            f"the campaign continues; follow it with `blindspot campaign watch {identity}`, or end it with "
            f"`blindspot campaign cancel {identity}`"
        )
        raise
    if last is not None:
        notes.print(f"campaign {last.id} is {last.state_text}")
        if last.state != "done":
            raise typer.Exit(ExitCode.FAILED)


def _follow(cloud: RemoteCloud, identity: str) -> CampaignResource | None:
    """Show the stages as they change; the campaign at its end."""
    columns = (
        TextColumn("{task.description:12}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    last: CampaignResource | None = None
    with Progress(*columns, TimeElapsedColumn(), console=notes) as progress:
        bars: dict[str, TaskID] = {}
        for last in cloud.watch(identity):
            for stage in last.stages:
                if stage.state == "pending":
                    continue
                if stage.stage not in bars:
                    bars[stage.stage] = progress.add_task(stage.stage, total=1.0, note="")
                left = f", {stage.seconds_left:.0f} s left" if stage.seconds_left else ""
                progress.update(
                    bars[stage.stage], completed=stage.progress, note=f"{stage.state} {stage.note}{left}"
                )
    return last
