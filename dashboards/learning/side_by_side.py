"""Scores of models side by side, a table for each set; what is worse than the parent is red. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dashboards import phrases
from dashboards.components.empty import Empty
from dashboards.markup import Html, element, number, row, table, with_code
from dashboards.scope import Scope
from messaging.api.evaluations import EvaluatedModel, EvaluationCell, EvaluationsResource, ModelScores
from messaging.plurals import quantity

PARENT, CANDIDATE, HOLDOUT, WHOLE = "incumbent", "candidate", "holdout", "all"
KINDS = {
    "first": "first model",
    "best": "best ever",
    PARENT: "parent",
    "control": "control, without this campaign's images",
}
"""Kinds of models as they are named here, in their order; the candidate comes last."""


@dataclass(frozen=True)
class Measure:
    """One measure of a model: its fields in `ModelScores`, how it is written, and whether more is better."""

    name: str
    value: str
    interval: str | None
    written: Callable[[float], str]
    step: float
    more_is_better: bool = True


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _rate(value: float) -> str:
    return f"{value:.2f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


MEASURES = (
    Measure("recall", "recall", "recall_interval", _percent, 0.01),
    Measure("precision", "precision", "precision_interval", _percent, 0.01),
    Measure("AP50", "ap50", "ap50_interval", _percent, 0.01),
    Measure("AP50-95", "ap50_95", "ap50_95_interval", _percent, 0.01),
    Measure("false positives", "false_positives", None, _count, 1.0, more_is_better=False),
    Measure(
        "false alarms per camera-hour, estimated",
        "false_alarms_per_camera_hour",
        "false_alarms_interval",
        _rate,
        0.01,
        more_is_better=False,
    ),
)
RECALL = MEASURES[:1]


@dataclass(frozen=True)
class _Column:
    """One model under all its kinds: the first model may also be the parent."""

    kinds: tuple[str, ...]
    model: EvaluatedModel

    def scores(self, cell: EvaluationCell) -> ModelScores | None:
        return next((cell.scores[kind] for kind in self.kinds if kind in cell.scores), None)


def set_markup(
    found: EvaluationsResource, name: str, scope: Scope, measures: Sequence[Measure] = MEASURES
) -> Html:
    """The table of one set: a group of rows for each class and condition, a column for each model."""
    cells = sorted(
        (cell for cell in found.cells if cell.set == name),
        key=lambda cell: (cell.class_name, cell.condition == WHOLE, cell.condition),
    )
    columns = [one for one in _columns(found.models) if any(one.scores(cell) for cell in cells)]
    headers = ("class and condition", "", *(_heading(one, scope) for one in columns), "#change")
    rows = [line for cell in cells for line in _group(cell, columns, found.models, measures)]
    return table(headers, rows) if rows else no_comparison(found.campaign)


def no_comparison(campaign: str) -> Html:
    """In the place of a table or result that has nothing to compare."""
    sentence = (
        "No comparison yet. The evaluate and shadow stages of a campaign fill this; this command shows the "
        "stage:"
    )
    return Empty(sentence, command=f"blindspot campaign watch {campaign}").markup()


def shadow_sets(found: EvaluationsResource) -> list[str]:
    """The sets of shadow runs, by site."""
    return sorted({cell.set for cell in found.cells if cell.set != HOLDOUT})


def set_name(name: str) -> str:
    """A set as a heading: `shadow run at north`."""
    kind, _, site = name.partition(":")
    return f"shadow run at {site}" if kind == "shadow" else f"the cloud's {kind}"


def regressions(found: EvaluationsResource) -> int:
    """How many measures of the candidate are worse than those of the parent."""
    lines = ((cell, measure) for cell in found.cells for measure in MEASURES)
    changes = (_change(cell, measure) for cell, measure in lines)
    return sum(change is not None and change < 0 for change in changes)


def notes_markup(found: EvaluationsResource) -> Html:
    """What the comparison cannot state, and how it is counted."""
    return element("ul", *(element("li", with_code(note)) for note in found.notes), cls="sentences")


def _columns(models: Sequence[EvaluatedModel]) -> list[_Column]:
    order = [*KINDS, CANDIDATE]
    kinds: dict[str, list[str]] = {}
    for one in sorted(models, key=lambda one: order.index(one.kind) if one.kind in order else len(KINDS)):
        kinds.setdefault(one.digest, []).append(one.kind)
    by_digest = {one.digest: one for one in models}
    columns = [_Column(tuple(names), by_digest[digest]) for digest, names in kinds.items()]
    return sorted(columns, key=lambda one: CANDIDATE in one.kinds)


def _heading(column: _Column, scope: Scope) -> Html:
    names = ", ".join(KINDS.get(kind, phrases.readable(kind)) for kind in column.kinds)
    model = column.model
    version = "not released" if model.version is None else f"version {model.version}"
    digest = element("code", phrases.short(model.digest), title=model.digest)
    if model.version is not None:
        digest = element("a", digest, href=scope.link("models", model.digest))
    return element("th", element("div", names), digest, f" {version}", cls="num", scope="col")


def _group(
    cell: EvaluationCell,
    columns: Sequence[_Column],
    models: Sequence[EvaluatedModel],
    measures: Sequence[Measure],
) -> Iterator[Html]:
    shown = [
        one for one in measures if any(_value(column.scores(cell), one) is not None for column in columns)
    ]
    for place, measure in enumerate(shown):
        change = _change(cell, measure)
        values = (number_cell(column.scores(cell), measure) for column in columns)
        first = (_what(cell, columns, len(shown)),) if place == 0 else ()
        yield row(
            *first,
            measure.name,
            *values,
            _change_cell(cell, measure, change),
            cls=" ".join(
                name for name, wanted in (("group", place == 0), ("worse", (change or 0) < 0)) if wanted
            ),
            name=f"{cell.set}-{cell.class_name}-{cell.condition}-{measure.value}",
        )


def _what(cell: EvaluationCell, columns: Sequence[_Column], rows: int) -> Html:
    most = max((one.n for column in columns if (one := column.scores(cell)) is not None), default=0)
    noun = "labelled hazard" if cell.set == HOLDOUT else "supported track"
    condition = "all conditions" if cell.condition == WHOLE else phrases.condition(cell.condition)
    return element(
        "td",
        element("b", phrases.readable(cell.class_name)),
        f" {condition}",
        element("div", quantity(most, noun), cls="rest"),
        rowspan=rows,
        cls="what",
    )


def number_cell(scores: ModelScores | None, measure: Measure) -> Html:
    """The value with its interval; a dash where it was not measured."""
    value = _value(scores, measure)
    if value is None:
        return number(phrases.MISSING)
    interval = getattr(scores, measure.interval) if measure.interval else None
    if interval is None:
        return number(measure.written(value))
    low, high = (measure.written(end).removesuffix(" %") for end in interval)
    return element("td", measure.written(value), " ", element("span", f"{low}–{high}", cls="rest"), cls="num")


def _value(scores: ModelScores | None, measure: Measure) -> float | None:
    value = None if scores is None else getattr(scores, measure.value)
    return None if value is None else float(value)


def _change(cell: EvaluationCell, measure: Measure) -> float | None:
    """By how many steps of the measure the candidate is better than the parent, rounded; below 0: worse."""
    before, after = (_value(cell.scores.get(kind), measure) for kind in (PARENT, CANDIDATE))
    if before is None or after is None:
        return None
    steps = round(after / measure.step) - round(before / measure.step)
    return float(steps if measure.more_is_better else -steps)


def _change_cell(cell: EvaluationCell, measure: Measure, change: float | None) -> Html:
    if change is None:
        return number(phrases.MISSING)
    signed = change if measure.more_is_better else 0.0 - change  # no minus before a zero
    text = f"{signed * measure.step:+.2f}" if measure.written is _rate else f"{signed:+,.0f}"
    tone = "" if change == 0 else ("better" if change > 0 else "regression")
    return element(
        "td", text.replace("-", "−"), cls=f"num {tone}".strip(), title=_certainty(cell.scores, measure)
    )


def _certainty(scores: Mapping[str, ModelScores], measure: Measure) -> str | None:
    """Whether the intervals of parent and candidate overlap."""
    if measure.interval is None:
        return None
    pair = [getattr(scores[kind], measure.interval) for kind in (PARENT, CANDIDATE)]
    if None in pair:
        return None
    overlap = pair[0][0] <= pair[1][1] and pair[1][0] <= pair[0][1]
    return "the intervals overlap" if overlap else "the intervals do not overlap"


def summary(found: EvaluationsResource) -> Html:
    """How many measures are worse than the parent's."""
    if not found.cells:
        return no_comparison(found.campaign)
    worse = regressions(found)
    text = f"{quantity(worse, 'measure')} worse than the parent" if worse else "nothing is worse"
    return element("p", text, cls="regression" if worse else "better")
