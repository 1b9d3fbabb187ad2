"""Users, their tokens and the audit log as records. No password and no token is stored, only their hashes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.store.mapping import Json, Record
from messaging.access_resources import UserRole


class User(Record):
    """A user. Without `groups` all sites are visible; without `password_hash` nobody can log in."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    role: Mapped[UserRole]
    added_at: Mapped[int]
    password_hash: Mapped[str] = mapped_column(Text, default="")
    groups: Mapped[tuple[str, ...]] = mapped_column(Json(tuple[str, ...]), default=())
    disabled: Mapped[bool] = mapped_column(default=False)


class TokenKind(StrEnum):
    """What made a token: a login, or a user for a program."""

    SESSION = "session"
    API = "api"


class Token(Record):
    """A bearer token: its public id, and the sha256 of its secret."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name", ondelete="CASCADE"), index=True)
    kind: Mapped[TokenKind]
    role: Mapped[UserRole]
    secret_hash: Mapped[str] = mapped_column(String(64))
    label: Mapped[str]
    made_at: Mapped[int]
    expires_at: Mapped[int]
    used_at: Mapped[int | None] = mapped_column(default=None)


class AuditEntry(Record):
    """One change; see `messaging.access_resources.AuditResource`."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_user", "user", "id"),
        Index("ix_audit_object", "object", "id"),
        Index("ix_audit_at", "at_utc"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, init=False, compare=False)
    at_utc: Mapped[int]
    user: Mapped[str]
    address: Mapped[str]
    action: Mapped[str] = mapped_column(String(160))
    object: Mapped[str] = mapped_column(String(160))
    status: Mapped[int]
    before: Mapped[Mapping[str, Any] | None] = mapped_column(
        Json(Mapping[str, Any] | None), nullable=True, default=None
    )
    after: Mapped[Mapping[str, Any] | None] = mapped_column(
        Json(Mapping[str, Any] | None), nullable=True, default=None
    )
