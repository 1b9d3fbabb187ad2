"""`blindspot models lineage`, `blindspot campaign evaluations`: where a model comes from, how good it is."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cloud.api.client import RemoteCloud
from cloud.cli.campaigns import campaign
from cloud.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    percent,
    print_json,
    print_table,
    short,
    show_list,
)
from cloud.cli.models import models
from messaging.api.evaluations import EvaluationsResource, ModelScores
from messaging.api.lineage import LineageResource
from messaging.resources import ComparisonResource
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.console import notes
from messaging.runtime.quoting import url_segment

PAGE = 500


@models.command("lineage")
def lineage(
    digest: Annotated[str, typer.Argument(help="digest of the model, or its first 8 digits")],
    out: Annotated[Path | None, typer.Option("--out", help="write all of it as one JSON file")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show where a model comes from: campaign, failure modes, orders, labelled sets, images, prompts."""
    with RemoteCloud.of_folder(data) as cloud:
        found = _whole_lineage(cloud, digest) if out or as_json else _lineage(cloud, digest, 1, None)
    if out is not None:
        write_atomically(out, found.model_dump_json(indent=1).encode())
        notes.print(f"the lineage of {short(found.digest)} with {len(found.images)} images is in {out}")
        return
    if as_json:
        print_json(found)
        return
    made = found.campaign
    rows = [
        ("model", found.digest),
        ("sites", found.sites),
        ("rollouts", found.rollouts),
        ("parents", [short(one.digest) for one in found.parents[1:]]),
        ("campaign", "" if made is None else f"{made.id}, {made.state}, by {made.started_by}"),
        *(("failure mode", f"{m.id}: {m.misdetections} misdetections of {', '.join(m.sites)}")
          for m in found.failure_modes),
        *(("order", f"{o.order}: {o.count} {o.class_name} {o.condition}, set {short(o.set_digest)}")
          for o in found.orders),
        ("images kept", found.images_kept),
    ]  # fmt: skip
    print_table("Lineage", ("", ""), rows, "")
    for note in found.notes:
        notes.print(f"note: {note}")


@campaign.command("comparison")
def comparison(
    identity: Annotated[str, typer.Argument(help="id of the campaign, as in `campaign list`")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show recall of incumbent and candidate, class by condition, on the holdout and in shadow runs."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.page(f"campaigns/{url_segment(identity)}/comparison", ComparisonResource)
    show_list(
        found,
        as_json,
        title="Comparison",
        columns=("on", "class", "condition", "recall before", "after"),
        row=lambda c: (c.role, c.class_name, c.condition, _recall(c.before), _recall(c.after)),
        empty="The candidate has not been evaluated yet.",
    )


def _recall(metrics: dict[str, Any] | None) -> str:
    return "-" if metrics is None or metrics.get("recall") is None else percent(metrics["recall"])


@campaign.command("evaluations")
def evaluations(
    identity: Annotated[str, typer.Argument(help="id of the campaign, as in `campaign list`")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Compare candidate, incumbent, the first model and the best ever on the holdout and at sites."""
    with RemoteCloud.of_folder(data) as cloud:
        found = cloud.get(f"campaigns/{url_segment(identity)}/evaluations", EvaluationsResource)
    if as_json:
        print_json(found)
        return
    kinds = [model.kind for model in found.models]
    rows = [
        (cell.set, cell.class_name, cell.condition, *(_scores(cell.scores.get(kind)) for kind in kinds))
        for cell in found.cells
    ]
    columns = ("set", "class", "condition", *(f"{m.kind} {short(m.digest)}" for m in found.models))
    title = "Recall / precision / AP50 / AP50-95 / false alarms per camera-hour (estimated)"
    print_table(title, columns, rows, "the campaign has evaluated nothing yet")
    for note in found.notes:
        notes.print(f"note: {note}")


def _lineage(cloud: RemoteCloud, digest: str, limit: int, cursor: str | None) -> LineageResource:
    path = f"models/{url_segment(digest)}/lineage"
    return cloud.get(path, LineageResource, limit=limit, cursor=cursor)


def _whole_lineage(cloud: RemoteCloud, digest: str) -> LineageResource:
    """All pages of images in one."""
    page = found = _lineage(cloud, digest, PAGE, None)
    images = list(found.images)
    while page.next is not None:
        page = _lineage(cloud, digest, PAGE, page.next)
        images += page.images
    return found.model_copy(update={"images": tuple(images), "next": None})


def _scores(scores: ModelScores | None) -> str:
    if scores is None:
        return ""
    rate = scores.false_alarms_per_camera_hour
    alarms = "" if rate is None else f"{rate:.2f}"
    ap50 = _with_interval(scores.ap50, scores.ap50_interval)
    ap50_95 = _with_interval(scores.ap50_95, scores.ap50_95_interval)
    if scores.false_alarms_interval is not None:
        low, high = scores.false_alarms_interval
        alarms += f" ({low:.2f} to {high:.2f})"
    parts = (percent(scores.recall), percent(scores.precision), ap50, ap50_95)
    return " / ".join(part or "-" for part in (*parts, alarms))


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    between = "" if interval is None else f" ({percent(interval[0])} to {percent(interval[1])})"
    return f"{percent(value)}{between}"
