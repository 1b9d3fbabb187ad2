"""Reports as table rows, and rows as records: the two directions of the store's one translation.

Pure functions; nothing here reads or writes. A heartbeat and a hazard event have tables of their own rules,
see `cloud.store.report_store`.
"""

import json
from typing import Any

from sqlalchemy import Row, Table

from cloud.store.records import HazardRow, MisdetectionRow, PrototypeRow
from cloud.store.tables import (
    misdetections,
    prototypes,
    recall_tallies,
    shadow_reports,
    swap_receipts,
    verdicts,
)
from messaging.reports import (
    ClassPrototype,
    ErrorKind,
    EvidenceSource,
    HazardEvent,
    Misdetection,
    OperatorVerdict,
    RecallTally,
    Report,
    ShadowReport,
    SwapReceipt,
)
from messaging.taxonomy import Condition, Light, RegionBin, SizeBin, Weather


def evidence_row(report: Report) -> tuple[Table, dict[str, Any]] | None:
    """The table of a report's kind and its columns there; None for kinds that have no such table."""
    table = _TABLES.get(type(report))
    return None if table is None else (table, _ROWS[type(report)](report))


def condition_of(row: Row[Any]) -> Condition:
    """Light and weather of any row that has them."""
    return Condition(Light(row.light), Weather(row.weather))


def misdetection_of(row: Row[Any]) -> MisdetectionRow:
    """A row of `misdetections`."""
    return MisdetectionRow(
        site=row.site,
        camera=row.camera,
        kind=ErrorKind(row.kind),
        class_name=row.class_name,
        condition=condition_of(row),
        size=SizeBin(row.size),
        region=RegionBin(row.region),
        evidence=EvidenceSource(row.evidence),
        probability=row.probability,
        minute_utc=row.minute_utc,
        model_digest=row.model_digest,
    )


def prototype_of(row: Row[Any]) -> PrototypeRow:
    """A row of `prototypes`; the vector as it was sent, its whole steps times their scale."""
    return PrototypeRow(
        site=row.site,
        camera=row.camera,
        class_name=row.class_name,
        condition=condition_of(row),
        vector=tuple(step * row.scale for step in json.loads(row.vector_json)),
        embedding_digest=row.embedding_digest,
        tracks=row.tracks,
        noise_sigma=row.noise_sigma,
        minute_utc=row.minute_utc,
    )


def hazard_of(row: Row[Any]) -> HazardRow:
    """A row of `hazards`."""
    return HazardRow(
        site=row.site,
        event=row.event,
        camera=row.camera,
        class_name=row.class_name,
        state=row.state,
        condition=condition_of(row),
        zone=row.zone,
        severity=row.severity,
        confidence=row.confidence,
        box=(row.cx, row.cy, row.w, row.h),
        started_at_utc=row.started_at_utc,
        at_utc=row.at_utc,
        model_digest=row.model_digest,
    )


def hazard_columns(event: HazardEvent) -> dict[str, Any]:
    """The columns of a hazard event, without its site."""
    row = event.model_dump(mode="json", exclude={"box", "tags"})
    return {**row, **event.box.model_dump(), "light": event.tags.light, "weather": event.tags.weather}


def _misdetection_row(report: Report) -> dict[str, Any]:
    assert isinstance(report, Misdetection)
    row = report.model_dump(mode="json", exclude={"box", "tags"})
    return {**row, **report.box.model_dump(), **report.tags.model_dump(mode="json")}


def _prototype_row(report: Report) -> dict[str, Any]:
    assert isinstance(report, ClassPrototype)
    wanted = {"camera", "class_name", "embedding_digest", "scale", "tracks", "noise_sigma", "epsilon"}
    row = report.model_dump(mode="json", include=wanted | {"minute_utc"})
    return {
        **row,
        "light": report.tags.light,
        "weather": report.tags.weather,
        "vector_json": json.dumps(report.vector, separators=(",", ":")),
    }


def _shadow_row(report: Report) -> dict[str, Any]:
    assert isinstance(report, ShadowReport)
    row = report.model_dump(include={"incumbent_digest", "candidate_digest", "final", "minute_utc"})
    return {**row, "payload_json": report.model_dump_json()}


def _verdict_row(report: Report) -> dict[str, Any]:
    assert isinstance(report, OperatorVerdict)
    row = report.model_dump(mode="json", exclude={"box", "tags"})
    return {**row, "light": report.tags.light, "weather": report.tags.weather}


def _plain_row(report: Report) -> dict[str, Any]:
    return report.model_dump(mode="json")


_TABLES: dict[type[Report], Table] = {
    Misdetection: misdetections,
    ClassPrototype: prototypes,
    RecallTally: recall_tallies,
    ShadowReport: shadow_reports,
    SwapReceipt: swap_receipts,
    OperatorVerdict: verdicts,
}
_ROWS = {
    Misdetection: _misdetection_row,
    ClassPrototype: _prototype_row,
    RecallTally: _plain_row,
    ShadowReport: _shadow_row,
    SwapReceipt: _plain_row,
    OperatorVerdict: _verdict_row,
}
