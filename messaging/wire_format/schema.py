"""A payload model -> its column encodings: bounds, grids, enums and patterns decide, field by field.

A field that can hold more than an encoding expresses (free text, bytes, unbounded numbers) has no encoding,
and its payload type cannot be defined at all.
"""

from collections.abc import Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from messaging.fields import DIGEST_PATTERN, SLUG_PATTERN, ULID_PATTERN, Grid, Significant
from messaging.reports import LAST_UTC, Report
from messaging.wire_format.column_encodings import (
    BoundedInt,
    BoundedList,
    ColumnEncoding,
    DecimalNumber,
    GridNumber,
    HexDigest,
    ModelFields,
    OneOf,
    OptionalValue,
    RelativeTime,
    RelativeUlid,
    SlugText,
)


def encoding_of(model: type[Report]) -> ModelFields:
    """The encoding of a payload model. Raises `TypeError` naming the field that has none."""
    fields = []
    for name, field in model.model_fields.items():
        try:
            fields.append((name, _encoding(field.annotation, field.metadata)))
        except TypeError as error:
            raise TypeError(f"{model.__name__}.{name} cannot be encoded: {error}") from None
    return ModelFields(model, tuple(fields))


def without_field(encoding: ModelFields, path: str) -> ModelFields:
    """The encoding of an earlier schema: without one optional field, named as in the schema's text."""
    name, _, rest = path.partition(".")
    kept = [
        (n, _inside(inner, rest) if n == name else inner) for n, inner in encoding.fields if n != name or rest
    ]
    return ModelFields(encoding.model, tuple(kept))


def _inside(encoding: ColumnEncoding, path: str) -> ColumnEncoding:
    match encoding:
        case ModelFields():
            return without_field(encoding, path)
        case BoundedList(inner, least, most):
            return BoundedList(_inside(inner, path), least, most)
        case OptionalValue(inner):
            return OptionalValue(_inside(inner, path))
    raise TypeError(f"{type(encoding).__name__} has no fields")


def _encoding(annotation: Any, metadata: Sequence[Any]) -> ColumnEncoding:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (UnionType, Union) and NoneType in arguments:
        (inner,) = [argument for argument in arguments if argument is not NoneType]
        return OptionalValue(_annotated(inner, metadata))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        least, most = _bound(metadata, "min_length", 0), _bound(metadata, "max_length")
        return BoundedList(_annotated(arguments[0], ()), least, most)
    if origin is Literal:
        return OneOf(arguments)
    if isinstance(annotation, type):
        return _plain(annotation, metadata)
    raise TypeError(f"{annotation!r} has no encoding")


def _annotated(annotation: Any, metadata: Sequence[Any]) -> ColumnEncoding:
    """Unwrap `Annotated`, with pydantic's own reading of its constraints."""
    field = FieldInfo.from_annotation(annotation)
    return _encoding(field.annotation, [*field.metadata, *metadata])


def _plain(kind: type, metadata: Sequence[Any]) -> ColumnEncoding:
    if issubclass(kind, Report):
        return encoding_of(kind)
    if issubclass(kind, Enum):
        return OneOf(tuple(kind))
    if kind is bool:
        return OneOf((False, True))
    if kind is int:
        most, step = _bound(metadata, "le"), _bound(metadata, "multiple_of", 1)
        if most == LAST_UTC:
            return RelativeTime(step)
        return BoundedInt(_first_multiple(_bound(metadata, "ge"), step), most, step)
    if kind is float:
        return _number(metadata)
    if kind is str:
        return _text(metadata)
    raise TypeError(f"{kind.__name__} has no encoding")


def _number(metadata: Sequence[Any]) -> ColumnEncoding:
    for rounding in metadata:
        if isinstance(rounding, Grid):
            return GridNumber(rounding, _bound(metadata, "le"))
        if isinstance(rounding, Significant):
            return DecimalNumber(rounding.digits)
    raise TypeError("a float needs a grid or a number of significant digits")


def _text(metadata: Sequence[Any]) -> ColumnEncoding:
    encodings: dict[str, ColumnEncoding] = {
        SLUG_PATTERN: SlugText(),
        DIGEST_PATTERN: HexDigest(),
        ULID_PATTERN: RelativeUlid(),
    }
    for constraint in metadata:
        if getattr(constraint, "pattern", None) in encodings:
            return encodings[constraint.pattern]
    raise TypeError("free text has no encoding; use a slug, a digest or an id")


def _bound(metadata: Sequence[Any], name: str, default: Any = None) -> Any:
    """The value of a constraint by its name."""
    for constraint in metadata:
        if getattr(constraint, name, None) is not None:
            return getattr(constraint, name)
    if default is None:
        raise TypeError(f"it has no bound {name!r}")
    return default


def _first_multiple(least: int, step: int) -> int:
    """The smallest multiple of the step that is not below `least`."""
    return -(-least // step) * step
