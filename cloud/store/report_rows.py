"""Payloads of sites as records: the one translation from the wire to the store. Pure."""

from dataclasses import fields
from typing import Any

from cloud.store.mapping import Record
from cloud.store.report_records import (
    HazardRow,
    MisdetectionRow,
    PrototypeRow,
    RecallCount,
    RecallRow,
    SiteShadow,
    SwapRow,
    TrackWeights,
    VerdictRow,
)
from messaging.reports import (
    ClassPrototype,
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
    SwapReceipt: SwapRow,
    OperatorVerdict: VerdictRow,
    HazardEvent: HazardRow,
}


def record_of(site: str, report: Report) -> Record | None:
    """The record of a report; None for kinds that have none of their own."""
    record = _RECORDS.get(type(report))
    if record is None:
        return None
    values = _values(report)
    names = {field.name for field in fields(record) if field.init}
    return record(site=site, **{name: values[name] for name in names & values.keys()})


def _values(report: Report) -> dict[str, Any]:
    """The report's fields, and what records call its box, its tags, its vector and the report itself."""
    values = {**dict(report), **dict(getattr(report, "tags", ())), "report": report}
    if "light" in values:
        values["condition"] = Condition(values["light"], values["weather"])
    if values.get("box") is not None:
        values["box"] = tuple(value for _, value in values["box"])
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
