"""Stored users and tokens. Nothing here hashes or decides."""

from dataclasses import replace
from typing import Any

from sqlalchemy import delete, select, update

from cloud.errors import NotKnown
from cloud.store.access_records import Token, TokenKind, User
from cloud.store.database import Database


class UserStore:
    """Users and tokens in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def now(self) -> int:
        """Whole seconds since 1970, by the store's clock."""
        return self._db.now()

    def add(self, user: User) -> bool:
        """Store a user; False if the name is taken."""
        with self._db.writing() as session:
            return self._db.add(session, user)

    def users(self) -> list[User]:
        """All users by name."""
        with self._db.reading() as session:
            return list(session.scalars(select(User).order_by(User.name)))

    def user(self, name: str) -> User:
        """One user. Raises `NotKnown`."""
        with self._db.reading() as session:
            found = session.get(User, name)
        if found is None:
            raise NotKnown(f"there is no user {name[:40]!r}; `blindspot users list` shows them")
        return found

    def change(self, name: str, **values: Any) -> User:
        """Store other values of a user. Raises `NotKnown`."""
        changed = replace(self.user(name), **values)
        with self._db.writing() as session:
            self._db.put(session, changed, key=["name"])
        return changed

    def put_token(self, token: Token) -> None:
        """Store a token, and remove the sessions that have ended."""
        with self._db.writing() as session:
            ended = Token.expires_at <= self.now()
            session.execute(delete(Token).where(Token.kind == TokenKind.SESSION, ended))
            self._db.add(session, token)

    def token(self, token: str) -> tuple[Token, User] | None:
        """A token by its id, with its user."""
        query = select(Token, User).join(User, User.name == Token.user).where(Token.id == token)
        with self._db.reading() as session:
            found = session.execute(query).first()
        return None if found is None else (found[0], found[1])

    def api_tokens(self, user: str | None = None) -> list[Token]:
        """The API tokens of a user, or of all, latest first."""
        query = select(Token).where(Token.kind == TokenKind.API).order_by(Token.made_at.desc(), Token.id)
        if user is not None:
            query = query.where(Token.user == user)
        with self._db.reading() as session:
            return list(session.scalars(query))

    def note_use(self, token: str, at: int) -> None:
        """Store when a token was last used (s since 1970)."""
        with self._db.writing() as session:
            session.execute(update(Token).where(Token.id == token).values(used_at=at))

    def remove_token(self, token: str) -> None:
        """Remove a token."""
        with self._db.writing() as session:
            session.execute(delete(Token).where(Token.id == token))

    def remove_sessions(self, user: str) -> None:
        """End all sessions of a user."""
        with self._db.writing() as session:
            session.execute(delete(Token).where(Token.user == user, Token.kind == TokenKind.SESSION))
