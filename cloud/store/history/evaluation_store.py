"""Evaluations of models in all campaigns."""

from collections.abc import Collection

from sqlalchemy import select

from cloud.store.database import Database
from cloud.store.records import HOLDOUT, EvaluationRow

WHOLE = "all"


class EvaluationStore:
    """Evaluations on the holdout, over campaigns; those of control models are left out."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def whole(self) -> list[EvaluationRow]:
        """Those of all models over all conditions, one for each class, oldest first."""
        query = select(EvaluationRow).where(EvaluationRow.role == HOLDOUT, EvaluationRow.condition == WHOLE)
        with self._db.reading() as session:
            return list(session.scalars(query.order_by(EvaluationRow.id)))

    def of_models(self, digests: Collection[str]) -> list[EvaluationRow]:
        """All of these models, oldest first."""
        query = select(EvaluationRow).where(
            EvaluationRow.role == HOLDOUT, EvaluationRow.model_digest.in_(digests)
        )
        with self._db.reading() as session:
            return list(session.scalars(query.order_by(EvaluationRow.id)))
