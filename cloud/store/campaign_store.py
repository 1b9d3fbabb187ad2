"""Campaigns, their stages and images, and the remembered states of failure modes.

Rows of a stage are unique by (campaign, stage, input digest): doing a finished stage again finds its row
and its output, whatever process did it. Nothing here decides; it remembers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select, update

from cloud.errors import NotKnown
from cloud.store.campaign_rows import (
    campaign_of,
    dumped,
    evaluation_of,
    image_of,
    mode_state_of,
    plan_values,
    stage_of,
)
from cloud.store.database import Database
from cloud.store.records import (
    Campaign,
    CampaignPlan,
    CampaignStage,
    CampaignState,
    EvaluationRow,
    ModeState,
    StageRecord,
    StageState,
    SyntheticImage,
)
from cloud.store.tables import campaigns, evaluations, idempotency, images, mode_states, stages


class CampaignStore:
    """Campaigns in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def now(self) -> int:
        """Whole seconds since 1970, by the store's clock."""
        return self._db.now()

    # -- campaigns -----------------------------------------------------------------------------------

    def create(
        self,
        campaign: str,
        plan: CampaignPlan,
        *,
        started_by: str,
        state: CampaignState = CampaignState.QUEUED,
        idempotency_key: str | None = None,
    ) -> Campaign:
        """Store a new campaign; the same idempotency key again returns the campaign it made before."""
        with self._db.writing() as connection:
            if idempotency_key is not None:
                key = f"campaign:{idempotency_key}"
                known = connection.execute(
                    select(idempotency.c.resource).where(idempotency.c.key == key)
                ).scalar()
                if known is not None:
                    row = connection.execute(select(campaigns).where(campaigns.c.id == known)).one()
                    return campaign_of(row)
                connection.execute(idempotency.insert().values(key=key, resource=campaign, at=self._db.now()))
            connection.execute(
                campaigns.insert().values(
                    id=campaign,
                    state=state,
                    plan_json=dumped(plan_values(plan)),
                    started_by=started_by,
                    reason="",
                    attempt=0,
                    created_at=self._db.now(),
                    updated_at=self._db.now(),
                )
            )
        return self.get(campaign)

    def get(self, campaign: str) -> Campaign:
        """One campaign. Raises `NotKnown`."""
        with self._db.reading() as connection:
            row = connection.execute(select(campaigns).where(campaigns.c.id == campaign)).first()
        if row is None:
            raise NotKnown(f"campaign {campaign[:40]!r} is not known; `blindspot campaign list` shows them")
        return campaign_of(row)

    def by_idempotency_key(self, key: str | None) -> Campaign | None:
        """The campaign that this key started before, if any."""
        if key is None:
            return None
        query = select(idempotency.c.resource).where(idempotency.c.key == f"campaign:{key}")
        with self._db.reading() as connection:
            known = connection.execute(query).scalar()
        return None if known is None else self.get(known)

    def recent(
        self, *, states: Sequence[CampaignState] = (), after: str | None = None, limit: int = 100
    ) -> list[Campaign]:
        """Campaigns, newest first (ids are ULIDs); `after` is the id of the last one seen."""
        query = select(campaigns).order_by(campaigns.c.id.desc()).limit(limit)
        if states:
            query = query.where(campaigns.c.state.in_(states))
        if after is not None:
            query = query.where(campaigns.c.id < after)
        with self._db.reading() as connection:
            return [campaign_of(row) for row in connection.execute(query)]

    def set_state(
        self, campaign: str, state: CampaignState, *, reason: str = "", ended: bool = False
    ) -> None:
        """Move a campaign on."""
        now = self._db.now()
        values = {"state": state, "reason": reason, "updated_at": now, "ended_at": now if ended else None}
        with self._db.writing() as connection:
            connection.execute(update(campaigns).where(campaigns.c.id == campaign).values(values))

    def move(
        self, campaign: str, state: CampaignState, *, only_from: Sequence[CampaignState], reason: str = ""
    ) -> bool:
        """Move a campaign on if it is in one of the given states; False if it is not."""
        with self._db.writing() as connection:
            done = connection.execute(
                update(campaigns)
                .where((campaigns.c.id == campaign) & campaigns.c.state.in_(only_from))
                .values(state=state, reason=reason, updated_at=self._db.now(), ended_at=None)
            )
        return bool(done.rowcount)

    def set_incumbent(self, campaign: str, digest: str) -> Campaign:
        """Write into the plan which model the campaign starts from. Raises `NotKnown`."""
        plan = replace(self.get(campaign).plan, incumbent_digest=digest)
        with self._db.writing() as connection:
            connection.execute(
                update(campaigns)
                .where(campaigns.c.id == campaign)
                .values(plan_json=dumped(plan_values(plan)), updated_at=self._db.now())
            )
        return self.get(campaign)

    def next_attempt(self, campaign: str) -> int:
        """Count and return a new attempt at the campaign."""
        with self._db.writing() as connection:
            connection.execute(
                update(campaigns)
                .where(campaigns.c.id == campaign)
                .values(attempt=campaigns.c.attempt + 1, updated_at=self._db.now())
            )
        return self.get(campaign).attempt

    # -- stages --------------------------------------------------------------------------------------

    def begin_stage(self, campaign: str, stage: CampaignStage, input_digest: str) -> StageRecord:
        """The stage's row, made now or found; a finished one is returned as it is, others run again."""
        where = _stage_where(campaign, stage, input_digest)
        now = self._db.now()
        with self._db.writing() as connection:
            fresh = connection.execute(
                self._db.insert(stages)
                .values(
                    campaign=campaign,
                    stage=stage,
                    input_digest=input_digest,
                    state=StageState.RUNNING,
                    progress=0.0,
                    note="",
                    output_json="{}",
                    figures_json="{}",
                    runs=1,
                    started_at=now,
                )
                .on_conflict_do_nothing()
            ).rowcount
            if not fresh:
                connection.execute(
                    update(stages)
                    .where(where & stages.c.state.not_in([StageState.DONE, StageState.STOPPED]))
                    .values(state=StageState.RUNNING, runs=stages.c.runs + 1, note="", ended_at=None)
                )
            return stage_of(connection.execute(select(stages).where(where)).one())

    def report_progress(
        self, campaign: str, stage: CampaignStage, input_digest: str, *, progress: float, note: str
    ) -> None:
        """Say how far a running stage is (0 to 1) and what it does."""
        with self._db.writing() as connection:
            connection.execute(
                update(stages)
                .where(_stage_where(campaign, stage, input_digest) & (stages.c.state == StageState.RUNNING))
                .values(progress=min(max(progress, 0.0), 1.0), note=note[:200])
            )

    def end_stage(
        self,
        campaign: str,
        stage: CampaignStage,
        input_digest: str,
        *,
        state: StageState,
        note: str = "",
        output: Mapping[str, Any] | None = None,
        figures: Mapping[str, Any] | None = None,
    ) -> None:
        """Finish a stage; a finished one is not finished twice."""
        values: dict[str, Any] = {"state": state, "note": note[:500], "ended_at": self._db.now()}
        values |= {"output_json": dumped(output or {}), "figures_json": dumped(figures or {})}
        if state is StageState.DONE:
            values["progress"] = 1.0
        with self._db.writing() as connection:
            connection.execute(
                update(stages)
                .where(_stage_where(campaign, stage, input_digest))
                .where(stages.c.state.not_in([StageState.DONE, StageState.STOPPED]))
                .values(values)
            )

    def stages(self, campaign: str) -> list[StageRecord]:
        """A campaign's stages in the order in which they began."""
        query = select(stages).where(stages.c.campaign == campaign).order_by(stages.c.id)
        with self._db.reading() as connection:
            return [stage_of(row) for row in connection.execute(query)]

    def outputs_of_done(self, stage: CampaignStage, *, newest: int) -> list[Mapping[str, Any]]:
        """What a stage left in the newest campaigns that ended well, at most so many, the last one first."""
        done = self.recent(states=(CampaignState.DONE,), limit=newest)
        records = (record for campaign in done for record in self.stages(campaign.id))
        return [r.output for r in records if r.stage is stage and r.state is StageState.DONE]

    # -- images and evaluations ----------------------------------------------------------------------

    def put_images(self, batch: Sequence[SyntheticImage]) -> None:
        """Store or update images by (campaign, name)."""
        with self._db.writing() as connection:
            for image in batch:
                values = {
                    "campaign": image.campaign,
                    "name": image.name,
                    "mode": image.mode,
                    "kept": image.kept,
                    "reason": image.reason[:160],
                    "thumbnail": image.thumbnail,
                    "provenance_json": dumped(image.provenance),
                }
                connection.execute(
                    self._db.insert(images)
                    .values(values)
                    .on_conflict_do_update(index_elements=["campaign", "name"], set_=values)
                )

    def images(
        self, campaign: str, *, kept: bool | None = None, after: int = 0, limit: int = 100
    ) -> list[tuple[int, SyntheticImage]]:
        """Images with their row numbers, in order; `after` is the row number of the last one seen."""
        query = select(images).where((images.c.campaign == campaign) & (images.c.id > after))
        if kept is not None:
            query = query.where(images.c.kept == kept)
        with self._db.reading() as connection:
            rows = connection.execute(query.order_by(images.c.id).limit(limit)).all()
        return [(row.id, image_of(row)) for row in rows]

    def image_counts(self, campaign: str) -> dict[tuple[bool, str], int]:
        """How many images were kept, and refused for each reason."""
        query = (
            select(images.c.kept, images.c.reason, func.count())
            .where(images.c.campaign == campaign)
            .group_by(images.c.kept, images.c.reason)
        )
        with self._db.reading() as connection:
            return {(bool(kept), reason): int(n) for kept, reason, n in connection.execute(query)}

    def put_evaluations(self, batch: Sequence[EvaluationRow]) -> None:
        """Store or update evaluations by campaign, model, role, class and condition."""
        with self._db.writing() as connection:
            for one in batch:
                values = {
                    "campaign": one.campaign,
                    "model_digest": one.model_digest,
                    "role": one.role,
                    "class_name": one.class_name,
                    "condition": one.condition,
                    "figures_json": dumped(one.figures),
                }
                keys = ["campaign", "model_digest", "role", "class_name", "condition"]
                connection.execute(
                    self._db.insert(evaluations)
                    .values(values)
                    .on_conflict_do_update(index_elements=keys, set_={"figures_json": values["figures_json"]})
                )

    def evaluations(self, campaign: str | None = None) -> list[EvaluationRow]:
        """Evaluations of one campaign or of all."""
        query = select(evaluations).order_by(evaluations.c.id)
        if campaign is not None:
            query = query.where(evaluations.c.campaign == campaign)
        with self._db.reading() as connection:
            return [evaluation_of(row) for row in connection.execute(query)]

    # -- failure modes -------------------------------------------------------------------------------

    def mode_states(self) -> dict[str, ModeState]:
        """Remembered states by mode id."""
        with self._db.reading() as connection:
            return {row.mode: mode_state_of(row) for row in connection.execute(select(mode_states))}

    def put_mode_state(self, state: ModeState) -> None:
        """Remember a state."""
        values = {
            "mode": state.mode,
            "status": state.status,
            "since": state.since,
            "campaign": state.campaign,
            "baseline_digest": state.baseline_digest,
            "baseline_rate": state.baseline_rate,
            "assigned_class": state.assigned_class,
        }
        with self._db.writing() as connection:
            connection.execute(
                self._db.insert(mode_states)
                .values(values)
                .on_conflict_do_update(index_elements=["mode"], set_=values)
            )


def _stage_where(campaign: str, stage: CampaignStage, input_digest: str) -> Any:
    return (
        (stages.c.campaign == campaign) & (stages.c.stage == stage) & (stages.c.input_digest == input_digest)
    )
