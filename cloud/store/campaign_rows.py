"""Rows of campaigns, stages, images, evaluations and modes as records, and plans as JSON.

Pure functions; nothing here reads or writes.
"""

import json
from typing import Any

from sqlalchemy import Row

from cloud.store.records import (
    Campaign,
    CampaignPlan,
    CampaignStage,
    CampaignState,
    EvaluationRow,
    ModeState,
    ModeStatus,
    StageRecord,
    StageState,
    SyntheticImage,
)


def dumped(value: Any) -> str:
    """A value as JSON; the same value gives the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def plan_values(plan: CampaignPlan) -> dict[str, Any]:
    """A plan as JSON has it."""
    return {
        "modes": list(plan.modes),
        "count": plan.count,
        "seed": plan.seed,
        "incumbent_digest": plan.incumbent_digest,
        "options": dict(plan.options),
    }


def _plan(text: str) -> CampaignPlan:
    values = json.loads(text)
    return CampaignPlan(**{**values, "modes": tuple(values["modes"])})


def campaign_of(row: Row[Any]) -> Campaign:
    """A campaign as it was stored."""
    return Campaign(
        id=row.id,
        state=CampaignState(row.state),
        plan=_plan(row.plan_json),
        started_by=row.started_by,
        reason=row.reason,
        attempt=row.attempt,
        created_at=row.created_at,
        updated_at=row.updated_at,
        ended_at=row.ended_at,
    )


def stage_of(row: Row[Any]) -> StageRecord:
    """A stage as it was stored."""
    return StageRecord(
        campaign=row.campaign,
        stage=CampaignStage(row.stage),
        input_digest=row.input_digest,
        state=StageState(row.state),
        progress=row.progress,
        note=row.note,
        output=json.loads(row.output_json),
        figures=json.loads(row.figures_json),
        runs=row.runs,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def image_of(row: Row[Any]) -> SyntheticImage:
    """An image as it was stored."""
    return SyntheticImage(
        campaign=row.campaign,
        name=row.name,
        mode=row.mode,
        kept=bool(row.kept),
        reason=row.reason,
        thumbnail=row.thumbnail,
        provenance=json.loads(row.provenance_json),
    )


def mode_state_of(row: Row[Any]) -> ModeState:
    """What is remembered of a failure mode."""
    return ModeState(
        mode=row.mode,
        status=ModeStatus(row.status),
        since=row.since,
        campaign=row.campaign,
        baseline_digest=row.baseline_digest,
        baseline_rate=row.baseline_rate,
        assigned_class=row.assigned_class,
    )


def evaluation_of(row: Row[Any]) -> EvaluationRow:
    """An evaluation as it was stored."""
    return EvaluationRow(
        row.campaign,
        row.model_digest,
        row.role,
        row.class_name,
        row.condition,
        json.loads(row.figures_json),
    )
