"""The demo's report: one self-contained HTML file, and the same content as JSON.

The images in it are synthetic, inlined as data URLs; no frame of the footage is in the report.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from cloud.demo.result import DemoResult, Row, figures_of
from messaging.figures import Figure
from messaging.runtime.atomic_files import write_atomically

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1c2430}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d9dee6}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap} tr.target{background:#fff8e6}
.ok{color:#1a7f37}.no{color:#b3261e}.bar{display:block;height:9px;border-radius:2px;margin:1px 0}
.before{background:#9aa5b4}.after{background:#2f6fde}
.samples img{width:15.5rem;margin:.2rem;border-radius:4px}
"""


DRAWN = (
    "Drawn footage from two sites. The loop received tags, box geometry and prototypes; the ground truth "
    "below was read once, after the loop had finished."
)


def write_report(
    result: DemoResult, out: Path, *, figures: Sequence[Figure] | None = None, introduction: str = DRAWN
) -> Path:
    """Write `report.html` and `report.json` into `out`; returns the HTML's path.

    `figures` are those of the demo unless others are given.
    """
    figures = figures_of(result) if figures is None else figures
    document = asdict(result)
    document.pop("samples")
    document["figures"] = [{**asdict(f), "holds": f.holds} for f in figures]
    write_atomically(out / "report.json", (json.dumps(document, indent=1) + "\n").encode())
    page = out / "report.html"
    write_atomically(page, _page(result, figures, introduction).encode())
    return page


def _page(result: DemoResult, figures: Sequence[Figure], introduction: str) -> str:
    return (
        f"<!doctype html><meta charset=utf-8><title>Blindspot demo</title><style>{_STYLE}</style>"
        "<h1>Blindspot: one run of the loop</h1>"
        f"<p>{escape(introduction)}</p>"
        + "".join(f"<p><em>{escape(note)}</em></p>" for note in result.notes)
        + "<h2>Before and after</h2>"
        + _rows(result.rows)
        + ("<h2>Photographs that no model has learned from</h2>" + _rows(result.photographs))
        * bool(result.photographs)
        + _clips(result) * bool(result.clips)
        + "<h2>Figures</h2>"
        + _figures(figures)
        + "<h2>Messages sent by each site</h2>"
        + _bytes(result)
        + "<h2>Synthetic images</h2>"
        + _images(result)
        + "<h2>Time of each stage</h2>"
        + _table(("stage", "seconds"), [(name, f"{value:.0f}") for name, value in result.stages_s.items()])
    )


def _clips(result: DemoResult) -> str:
    cells = [
        (row.clip, row.class_name, str(row.frames), f"{row.before} → {row.after}") for row in result.clips
    ]
    return "<h2>Real clips (no ground truth)</h2>" + _table(("clip", "class", "frames", "reported in"), cells)


def _rows(rows: Sequence[Row]) -> str:
    body = []
    for row in rows:
        bars = "".join(
            f'<span class="bar {name}" style="width:{100 * (score.recall or 0):.0f}%"></span>'
            for name, score in (("before", row.before), ("after", row.after))
        )
        cells = [
            f"<td>{escape(row.class_name)}</td><td>{escape(row.condition)}</td>",
            f'<td style="width:9rem">{bars}</td>',
            *(
                f'<td class="n">{text}</td>'
                for text in (
                    _percent(row.before.recall),
                    _percent(row.after.recall),
                    _change(row.recall_change),
                    _percent(row.before.precision),
                    _percent(row.after.precision),
                    str(row.after.truth),
                    _percent(row.estimated_recall),
                    _percent(row.true_track_recall),
                )
            ),
        ]
        body.append(f'<tr class="{"target" if row.target else ""}">{"".join(cells)}</tr>')
    head = (
        "class",
        "condition",
        "recall",
        "before",
        "after",
        "points",
        "precision before",
        "after",
        "boxes",
        "estimated track recall",
        "true track recall",
    )
    return _wrapped(head, body) + "<p>The campaigns targeted the highlighted rows.</p>"


def _figures(figures: Sequence[Figure]) -> str:
    body = []
    for figure in figures:
        style = {True: "ok", False: "no", None: "unknown"}[figure.holds]
        mark = f'<span class="{style}">{escape(figure.holds_text)}</span>'
        body.append(
            f"<tr><td>{escape(figure.name)}</td><td class=n>{escape(figure.value_text)}</td>"
            f"<td>{escape(figure.target or '')}</td><td>{mark}</td></tr>"
        )
    return _wrapped(("figure", "value", "target", ""), body)


def _bytes(result: DemoResult) -> str:
    lines = [
        (site.site, kind, str(site.messages.get(kind, 0)), str(count))
        for site in result.sites
        for kind, count in sorted(site.by_kind.items())
    ] + [(site.site, "all", str(sum(site.messages.values())), site.against_footage) for site in result.sites]
    return _table(("site", "message type", "messages", "bytes"), lines)


def _images(result: DemoResult) -> str:
    images = "".join(f'<img alt="synthetic image" src="{source}">' for source in result.samples)
    return f'<p>{escape(result.images.summary.capitalize())}.</p><div class="samples">{images}</div>'


def data_url(path: Path) -> str:
    """A JPEG file as a data URL."""
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return _wrapped(
        head, ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines]
    )


def _wrapped(head: Sequence[str], body: Sequence[str]) -> str:
    return (
        "<table><tr>"
        + "".join(f"<th>{escape(name)}</th>" for name in head)
        + "</tr>"
        + "".join(body)
        + "</table>"
    )


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.0f} %"


def _change(points: float | None) -> str:
    return "–" if points is None else f"{points:+.0f}"
