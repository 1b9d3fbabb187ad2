"""Tables of a demo's result for the terminal: recall before and after, bytes sent by each site, figures."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from cloud.demo.result import ClipRow, DemoResult, Row, SiteBytes
from messaging.figures import Figure


def show(result: DemoResult, figures: Sequence[Figure], console: Console) -> None:
    """Print the result as tables and lines; every figure with its target."""
    if result.rows:
        console.print(_before_after(result.rows, "Before → after"))
    if result.photographs:
        console.print(_before_after(result.photographs, "Photographs that no model has learned from"))
    if result.clips:
        console.print(_clips(result.clips))
    if any(row.estimated_recall is not None for row in result.rows):
        console.print(_estimates(result.rows))
    if result.sites:
        console.print(_sent(result.sites))
    console.print(_figures(figures))
    for line in (f"Synthetic images: {result.images.summary}.", _stages(result.stages_s), *result.notes):
        console.print(line, highlight=False, markup=False)


def _before_after(rows: Sequence[Row], title: str) -> Table:
    table = Table("class", "condition", "target", "recall", "precision", "boxes", title=title)
    for row in rows:
        table.add_row(
            row.class_name,
            row.condition,
            "yes" if row.target else "",
            f"{_percent(row.before.recall)} → {_percent(row.after.recall)}",
            f"{_percent(row.before.precision)} → {_percent(row.after.precision)}",
            str(row.after.truth),
        )
    return table


def _clips(rows: Sequence[ClipRow]) -> Table:
    """Frames of real clips in which a class is reported; whether rightly is not known."""
    table = Table("clip", "class", "frames", "reported in", title="Real clips (no ground truth)")
    for row in rows:
        table.add_row(row.clip, row.class_name, str(row.frames), f"{row.before} → {row.after}")
    return table


def _estimates(rows: Sequence[Row]) -> Table:
    """Recall that the edge estimated, the number of its tracks, and the true recall of tracks."""
    table = Table("class", "condition", "estimated", "of tracks", "true", title="Recall of tracks")
    for row in rows:
        if row.estimated_recall is not None:
            table.add_row(
                row.class_name,
                row.condition,
                _percent(row.estimated_recall),
                str(row.supported_tracks),
                _percent(row.true_track_recall),
            )
    return table


def _sent(sites: Sequence[SiteBytes]) -> Table:
    """Messages and bytes by type, and the total compared with the site's compressed footage."""
    table = Table("site", "message type", "messages", "bytes", title="Messages sent by each site")
    for site in sites:
        for kind, count in sorted(site.by_kind.items()):
            table.add_row(site.site, kind, str(site.messages.get(kind, 0)), str(count))
        table.add_row(site.site, "all", str(sum(site.messages.values())), site.against_footage)
        table.add_section()
    return table


def _figures(figures: Sequence[Figure]) -> Table:
    table = Table(title="Figures")
    for title in ("figure", "value", "target", ""):
        table.add_column(title, overflow="fold")
    for figure in figures:
        table.add_row(figure.name, figure.value_text, figure.target or "", figure.holds_text)
    return table


def _stages(stages_s: Mapping[str, float]) -> str:
    times = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in stages_s.items())
    return f"Time of each stage: {times or 'none was reached'}."


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
