"""States of failure modes, one row per mode, and every change of a status. Nothing here decides."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.store.database import Database
from cloud.store.records import ModeChange, ModeState, ModeStatus


class ModeStore:
    """States of failure modes in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def states(self) -> dict[str, ModeState]:
        """Stored states by mode id."""
        with self._db.reading() as session:
            return {state.mode: state for state in session.scalars(select(ModeState))}

    def put(self, state: ModeState, reason: str) -> None:
        """Store a state in place of the one before; another status becomes a change with this reason.

        A mode without a row was open.
        """
        with self._db.writing() as session:
            self._write(session, session.get(ModeState, state.mode), state, reason)

    def replace(self, before: ModeState | None, state: ModeState, reason: str) -> bool:
        """The same, if the stored state is still the one before (None: none is stored); else False."""
        with self._db.writing() as session:
            stored = session.get(ModeState, state.mode)
            if stored != before:
                return False
            self._write(session, stored, state, reason)
            return True

    def _write(self, session: Session, known: ModeState | None, state: ModeState, reason: str) -> None:
        before = ModeStatus.OPEN if known is None else known.status
        self._db.put(session, state, key=["mode"])
        if before is not state.status:
            change = ModeChange(state.mode, state.since, before, state.status, state.campaign, reason)
            self._db.add(session, change)

    def changes(self, mode: str | None = None) -> list[ModeChange]:
        """Changes of the status of a mode, or of all modes, oldest first."""
        query = select(ModeChange).order_by(ModeChange.id)
        if mode is not None:
            query = query.where(ModeChange.mode == mode)
        with self._db.reading() as session:
            return list(session.scalars(query))
