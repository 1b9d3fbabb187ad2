"""Payloads of sites as rows of the store: the one translation from the wire to the store. Pure.

Rows are plain values: a mapped object for each of thousands would take twice as long.
"""

from types import SimpleNamespace
from typing import Any

from cloud.store.mapping import Record
from cloud.store.report_records import (
    HazardRow,
    MisdetectionRow,
    PrototypeRow,
    RecallCount,
    RecallRow,
    SiteGuard,
    SiteShadow,
    SwapRow,
    TrackWeights,
    VerdictRow,
)
from messaging.reports import (
    ClassPrototype,
    GuardReport,
    HazardEvent,
    Misdetection,
    OperatorVerdict,
    RecallTally,
    Report,
    ShadowReport,
    SwapReceipt,
)
from messaging.taxonomy import Condition

_RECORDS: dict[type[Report], type[Record]] = {
    Misdetection: MisdetectionRow,
    ClassPrototype: PrototypeRow,
    RecallTally: RecallRow,
    ShadowReport: SiteShadow,
    GuardReport: SiteGuard,
    SwapReceipt: SwapRow,
    OperatorVerdict: VerdictRow,
    HazardEvent: HazardRow,
}
_COLUMNS = {
    report: [column.name for column in record.__table__.columns if column.name != "report_id"]
    for report, record in _RECORDS.items()
}
_NO_TAGS = SimpleNamespace()


def record_type(report: Report) -> type[Record] | None:
    """The record of a report's kind; None for kinds that have none of their own."""
    return _RECORDS.get(type(report))


def columns_of(site: str, report: Report) -> dict[str, Any]:
    """The columns of a report's record, without the id of the report."""
    values = {**_values(report), "site": site}
    return {name: values[name] for name in _COLUMNS[type(report)]}


def _values(report: Report) -> dict[str, Any]:
    """The report's fields, and what records call its box, its tags, its vector and the report itself."""
    values = {**vars(report), **vars(getattr(report, "tags", _NO_TAGS)), "report": report}
    if "light" in values:
        values["condition"] = Condition(values["light"], values["weather"])
    if values.get("box") is not None:
        values["box"] = tuple(vars(values["box"]).values())
    if "vector" in values:
        values["vector"] = tuple(step * values["scale"] for step in values["vector"])
    return values


def recall_count(*values: Any) -> RecallCount:
    """The sums of a group: its key, counts, and weights."""
    site, class_name, condition, source, digest, supported, detected, *sums = values
    weights = TrackWeights(*(float(one) for one in sums))
    return RecallCount(
        site, class_name, condition, source, digest, int(supported), int(min(detected, supported)), weights
    )


def storable(text: str) -> str:
    """The text without NUL, which PostgreSQL refuses."""
    return text.replace("\0", "?")
