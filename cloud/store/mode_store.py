"""The stored states of failure modes, one row per mode. Nothing here decides."""

from sqlalchemy import select

from cloud.store.database import Database
from cloud.store.records import ModeState


class ModeStore:
    """States of failure modes in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def states(self) -> dict[str, ModeState]:
        """Stored states by mode id."""
        with self._db.reading() as session:
            return {state.mode: state for state in session.scalars(select(ModeState))}

    def put(self, state: ModeState) -> None:
        """Store a state in place of the one before."""
        with self._db.writing() as session:
            self._db.put(session, state, key=["mode"])
