"""Stored campaigns, their stages, images and evaluations.

Rows of a stage are unique by (campaign, stage, input digest): a finished stage that is begun again finds its
row and its output, whatever process wrote it. A failure mode is in one active campaign at most, which the
transaction decides that makes a campaign active. Nothing else is decided here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from cloud.errors import CampaignRefused, NotKnown
from cloud.store.database import Database, written
from cloud.store.lists.campaign_lists import CampaignLists
from cloud.store.records import (
    ACTIVE_STATES,
    AnsweredRequest,
    Campaign,
    CampaignPlan,
    CampaignStage,
    CampaignState,
    EvaluationRow,
    StageRecord,
    StageState,
    SyntheticImage,
)

FINISHED = (StageState.DONE, StageState.STOPPED)


class AnswerStore:
    """Answers to requests with an idempotency key; the retention `requests_days` removes them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def answer(self, key: str) -> AnsweredRequest | None:
        """The answer to the request with this key, if there was one."""
        with self._db.reading() as session:
            return session.get(AnsweredRequest, key)

    def keep(self, key: str, *, fingerprint: str, status: int, body: str) -> None:
        """Store the answer to a request; the first one stays."""
        answered = AnsweredRequest(key, "", self._db.now(), fingerprint=fingerprint, status=status, body=body)
        with self._db.writing() as session:
            self._db.add(session, answered)


class CampaignStore:
    """Campaigns in the database; `lists` reads them page by page, `answers` those to repeated requests."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.lists = CampaignLists(database)
        self.answers = AnswerStore(database)

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
        """Store a new campaign; the same idempotency key again returns the campaign it made before.

        Raises `CampaignRefused` when one of its modes is in an active campaign and it would be active.
        """
        now = self._db.now()
        made = Campaign(campaign, state, plan, started_by, "", 0, now, now, None)
        with self._db.writing() as session:
            if idempotency_key is not None:
                answered = AnsweredRequest(_request_key(idempotency_key), campaign, now)
                if not self._db.add(session, answered):
                    campaign = session.get_one(AnsweredRequest, answered.key).resource
                    return session.get_one(Campaign, campaign)
            if state in ACTIVE_STATES:
                _refuse_busy(session, plan.modes)
            self._db.add(session, made)
        return made

    def refuse_busy(self, modes: Collection[str]) -> None:
        """Raise `CampaignRefused` when one of these modes is in an active campaign now."""
        with self._db.reading() as session:
            _refuse_busy(session, modes)

    def queue(self, campaign: str, *, only_from: Sequence[CampaignState]) -> bool:
        """Queue a campaign that is in one of the given states; False if it is not. Raises `NotKnown`.

        Raises `CampaignRefused` when one of its modes is in another active campaign.
        """
        wanted = update(Campaign).where(Campaign.id == campaign, Campaign.state.in_(only_from))
        values = {"state": CampaignState.QUEUED, "reason": "", "ended_at": None, "updated_at": self._db.now()}
        modes = self.get(campaign).plan.modes
        with self._db.writing() as session:
            moved = written(session, wanted.values(values)) > 0
            if moved:
                _refuse_busy(session, modes, but=campaign)
        return moved

    def get(self, campaign: str) -> Campaign:
        """One campaign. Raises `NotKnown`."""
        with self._db.reading() as session:
            found = session.get(Campaign, campaign)
        if found is None:
            raise NotKnown(f"campaign {campaign[:40]!r} is not known; `blindspot campaign list` shows them")
        return found

    def by_idempotency_key(self, key: str | None) -> Campaign | None:
        """The campaign that this key started before, if any."""
        if key is None:
            return None
        with self._db.reading() as session:
            answered = session.get(AnsweredRequest, _request_key(key))
        return None if answered is None else self.get(answered.resource)

    def recent(
        self, *, states: Sequence[CampaignState] = (), after: str | None = None, limit: int = 100
    ) -> list[Campaign]:
        """Campaigns, newest first (ids are ULIDs); `after` is the id of the last one seen."""
        query = select(Campaign).order_by(Campaign.id.desc()).limit(limit)
        if states:
            query = query.where(Campaign.state.in_(states))
        if after is not None:
            query = query.where(Campaign.id < after)
        with self._db.reading() as session:
            return list(session.scalars(query))

    def count_by_state(self) -> dict[CampaignState, int]:
        """Numbers of campaigns by state; states without one are left out."""
        query = select(Campaign.state, func.count()).group_by(Campaign.state)
        with self._db.reading() as session:
            return {row[0]: row[1] for row in session.execute(query)}

    def set_state(
        self, campaign: str, state: CampaignState, *, reason: str = "", ended: bool = False
    ) -> None:
        """Change a campaign's state."""
        now = self._db.now()
        self._update(campaign, state=state, reason=reason, ended_at=now if ended else None)

    def move(
        self, campaign: str, state: CampaignState, *, only_from: Sequence[CampaignState], reason: str = ""
    ) -> bool:
        """Change a campaign's state if it is in one of the given states; False if it is not."""
        wanted = Campaign.state.in_(only_from)
        return self._update(campaign, wanted, state=state, reason=reason, ended_at=None)

    def set_incumbent(self, campaign: str, digest: str) -> Campaign:
        """Write into the plan which model the campaign starts from. Raises `NotKnown`."""
        self._update(campaign, plan=replace(self.get(campaign).plan, incumbent_digest=digest))
        return self.get(campaign)

    def next_attempt(self, campaign: str) -> int:
        """Count and return a new attempt at the campaign."""
        self._update(campaign, attempt=Campaign.attempt + 1)
        return self.get(campaign).attempt

    def _update(self, campaign: str, *where: ColumnElement[bool], **values: Any) -> bool:
        """Set columns of a campaign that satisfies all of `where`; False if there is none."""
        statement = update(Campaign).where(Campaign.id == campaign, *where)
        with self._db.writing() as session:
            return written(session, statement.values(updated_at=self._db.now(), **values)) > 0

    # -- stages --------------------------------------------------------------------------------------

    def begin_stage(self, campaign: str, stage: CampaignStage, input_digest: str) -> StageRecord:
        """The stage's row, made now or found; a finished one is returned as it is, others run again."""
        made = StageRecord(campaign, stage, input_digest, StageState.RUNNING, self._db.now())
        where = _is_stage(campaign, stage, input_digest)
        with self._db.writing() as session:
            if not self._db.add(session, made):
                session.execute(
                    update(StageRecord)
                    .where(where, StageRecord.state.not_in(FINISHED))
                    .values(state=StageState.RUNNING, runs=StageRecord.runs + 1, note="", ended_at=None)
                )
            return session.scalars(select(StageRecord).where(where)).one()

    def report_progress(
        self, campaign: str, stage: CampaignStage, input_digest: str, *, progress: float, note: str
    ) -> None:
        """Store how far a running stage is (0 to 1) and what it does."""
        with self._db.writing() as session:
            session.execute(
                update(StageRecord)
                .where(_is_stage(campaign, stage, input_digest), StageRecord.state == StageState.RUNNING)
                .values(progress=min(max(progress, 0.0), 1.0), note=note[:200])
            )

    def show_metrics(
        self, campaign: str, stage: CampaignStage, input_digest: str, metrics: Mapping[str, Any]
    ) -> None:
        """Store the metrics of a running stage in place of those before; they stay if it does not finish."""
        where = (_is_stage(campaign, stage, input_digest), StageRecord.state == StageState.RUNNING)
        with self._db.writing() as session:
            session.execute(update(StageRecord).where(*where).values(metrics=metrics))

    def end_stage(
        self,
        campaign: str,
        stage: CampaignStage,
        input_digest: str,
        *,
        state: StageState,
        note: str = "",
        output: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> None:
        """Finish a stage; a finished one is not finished twice. Metrics of None leave those shown before."""
        values: dict[str, Any] = {"state": state, "note": note[:500], "ended_at": self._db.now()}
        values |= {"output": output or {}} | ({} if metrics is None else {"metrics": metrics})
        if state is StageState.DONE:
            values["progress"] = 1.0
        with self._db.writing() as session:
            session.execute(
                update(StageRecord)
                .where(_is_stage(campaign, stage, input_digest), StageRecord.state.not_in(FINISHED))
                .values(values)
            )

    def stages(self, campaign: str) -> list[StageRecord]:
        """A campaign's stages in the order in which they began."""
        query = select(StageRecord).where(StageRecord.campaign == campaign).order_by(StageRecord.id)
        with self._db.reading() as session:
            return list(session.scalars(query))

    def outputs_of_rolled_out(self, stage: CampaignStage, *, newest: int) -> list[Mapping[str, Any]]:
        """Last outputs of a stage in the newest campaigns whose model was rolled out, the last one first.

        At most so many campaigns; one that is still verified is among them.
        """
        rolled_out = (
            select(StageRecord.campaign)
            .where(StageRecord.stage == CampaignStage.ROLL_OUT, StageRecord.state == StageState.DONE)
            .order_by(StageRecord.campaign.desc())
            .distinct()
            .limit(newest)
        )
        with self._db.reading() as session:
            campaigns = list(session.scalars(rolled_out))
        return [output for one in campaigns for output in self._last_output(one, stage)]

    def _last_output(self, campaign: str, stage: CampaignStage) -> list[Mapping[str, Any]]:
        done = [row for row in self.stages(campaign) if row.stage is stage and row.state is StageState.DONE]
        return [row.output for row in done[-1:]]

    # -- images and evaluations ----------------------------------------------------------------------

    def put_images(self, batch: Sequence[SyntheticImage]) -> None:
        """Store images, each in place of the one with its campaign and name."""
        with self._db.writing() as session:
            for image in batch:
                self._db.put(session, image, key=["campaign", "name"])

    def images(
        self, campaign: str, *, kept: bool | None = None, after: int = 0, limit: int = 100
    ) -> list[SyntheticImage]:
        """Images in the order of their ids; `after` is the id of the last one seen."""
        query = select(SyntheticImage).where(SyntheticImage.campaign == campaign, SyntheticImage.id > after)
        if kept is not None:
            query = query.where(SyntheticImage.kept == kept)
        with self._db.reading() as session:
            return list(session.scalars(query.order_by(SyntheticImage.id).limit(limit)))

    def image_counts(self, campaign: str | None = None) -> dict[tuple[bool, str], int]:
        """Numbers of images of a campaign, or of all, by (kept, reason of the refusal)."""
        by = (SyntheticImage.kept, SyntheticImage.reason)
        query = select(*by, func.count()).group_by(*by)
        if campaign is not None:
            query = query.where(SyntheticImage.campaign == campaign)
        with self._db.reading() as session:
            return {(kept, reason): number for kept, reason, number in session.execute(query)}

    def put_evaluations(self, batch: Sequence[EvaluationRow]) -> None:
        """Store evaluations, each in place of the one with its campaign, model, role, class and condition."""
        with self._db.writing() as session:
            for one in batch:
                key = ["campaign", "model_digest", "role", "class_name", "condition"]
                self._db.put(session, one, key=key)

    def evaluations(self, campaign: str) -> list[EvaluationRow]:
        """Evaluations of a campaign."""
        query = select(EvaluationRow).where(EvaluationRow.campaign == campaign).order_by(EvaluationRow.id)
        with self._db.reading() as session:
            return list(session.scalars(query))


def _refuse_busy(session: Session, modes: Collection[str], *, but: str = "") -> None:
    active = select(Campaign).where(Campaign.state.in_(ACTIVE_STATES), Campaign.id != but)
    for campaign in session.scalars(active):
        busy = sorted(set(modes) & set(campaign.plan.modes))
        if busy:
            raise CampaignRefused(
                f"failure mode {busy[0]} is in campaign {campaign.id} already; wait for it or cancel it"
            )


def _request_key(idempotency_key: str) -> str:
    return f"campaign:{idempotency_key}"


def _is_stage(campaign: str, stage: CampaignStage, input_digest: str) -> ColumnElement[bool]:
    return (
        (StageRecord.campaign == campaign)
        & (StageRecord.stage == stage)
        & (StageRecord.input_digest == input_digest)
    )
