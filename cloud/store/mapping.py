"""The root of the store's records and the column types of their values.

A record is a dataclass and a table at once (SQLAlchemy's mapped dataclasses): its fields are the columns.
Outside a session it is a plain value that any thread may read; a field that has a value is never set again.
Times are whole seconds since 1970 (UTC), digests sha256 hex. No column could hold a site's pixels.
"""

import enum
import json
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from typing import Any, ClassVar

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, Dialect, Enum, Integer, MetaData, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass

from messaging.taxonomy import Condition

Box = tuple[float, float, float, float]


class Json(TypeDecorator[Any]):
    """A value of any type that pydantic validates, as JSON text; equal values give equal text."""

    impl = Text
    cache_ok = True

    def __init__(self, value_type: Any) -> None:
        super().__init__()
        self.value_type = value_type
        self._adapter: TypeAdapter[Any] = TypeAdapter(value_type)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """The JSON text of a value."""
        plain = self._adapter.dump_python(value, mode="json")
        return json.dumps(plain, sort_keys=True, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The value of a JSON text."""
        return None if value is None else self._adapter.validate_json(value)


class ConditionKey(TypeDecorator[Condition]):
    """A condition as its key, `night-rain`."""

    impl = String(80)
    cache_ok = True

    def process_bind_param(self, value: Condition | None, dialect: Dialect) -> str | None:
        """The key of a condition."""
        return None if value is None else value.key

    def process_result_value(self, value: str | None, dialect: Dialect) -> Condition | None:
        """The condition of a key."""
        return None if value is None else Condition.parse(value)


def _member_values(members: type[enum.Enum]) -> list[str]:
    return [member.value for member in members]


class Record(MappedAsDataclass, DeclarativeBase):
    """One row as a value: compared by its fields, never changed once it is made."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger().with_variant(Integer, "sqlite"),
        str: String(80),
        enum.StrEnum: Enum(
            enum.StrEnum,
            native_enum=False,
            length=80,
            values_callable=_member_values,
        ),
        Condition: ConditionKey,
        Box: Json(Box),
        Mapping[str, Any]: Json(Mapping[str, Any]),
    }

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__ and name in self.__mapper__.columns:
            raise FrozenInstanceError(f"{type(self).__name__}.{name} is set; make another with `replace`")
        super().__setattr__(name, value)

    def values(self) -> dict[str, Any]:
        """The fields by column name, without a key that the database has yet to give."""
        names = [field.name for field in fields(self) if field.init or field.name in self.__dict__]
        return {name: getattr(self, name) for name in names}
