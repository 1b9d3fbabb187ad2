"""A payload's schema -> its form: bounds, grids, enums and patterns say what fits, once, for all.

A field whose schema leaves room for more than a form can say (free text, bytes, unbounded numbers) has no
form, and its payload type cannot be made at all.
"""

from collections.abc import Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from messaging.releases import DIGEST_PATTERN, SLUG_PATTERN
from messaging.reports import LAST_UTC, ULID_PATTERN, Grid, Report, Significant
from messaging.wire_format.forms import (
    Choice,
    Figure,
    Form,
    Hex,
    Maybe,
    OnGrid,
    Record,
    Series,
    Time,
    UlidForm,
    Whole,
    Word,
)


def record_of(model: type[Report]) -> Record:
    """The form of a payload type. Raises `TypeError` naming the field that has none."""
    forms = []
    for name, field in model.model_fields.items():
        try:
            forms.append((name, _form(field.annotation, field.metadata)))
        except TypeError as error:
            raise TypeError(f"{model.__name__}.{name} cannot be packed: {error}") from None
    return Record(model, tuple(forms))


def _form(annotation: Any, metadata: Sequence[Any]) -> Form:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (UnionType, Union) and NoneType in arguments:
        (inner,) = [argument for argument in arguments if argument is not NoneType]
        return Maybe(_annotated(inner, metadata))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        least, most = _of(metadata, "min_length", 0), _of(metadata, "max_length")
        return Series(_annotated(arguments[0], ()), least, most)
    if origin is Literal:
        return Choice(arguments)
    if isinstance(annotation, type):
        return _plain(annotation, metadata)
    raise TypeError(f"{annotation!r} has no form")


def _annotated(annotation: Any, metadata: Sequence[Any]) -> Form:
    """Unwrap `Annotated`, with pydantic's own reading of its constraints."""
    field = FieldInfo.from_annotation(annotation)
    return _form(field.annotation, [*field.metadata, *metadata])


def _plain(kind: type, metadata: Sequence[Any]) -> Form:
    if issubclass(kind, Report):
        return record_of(kind)
    if issubclass(kind, Enum):
        return Choice(tuple(kind))
    if kind is bool:
        return Choice((False, True))
    if kind is int:
        most, step = _of(metadata, "le"), _of(metadata, "multiple_of", 1)
        return Time(step) if most == LAST_UTC else Whole(_first(_of(metadata, "ge"), step), most, step)
    if kind is float:
        return _fraction(metadata)
    if kind is str:
        return _text(metadata)
    raise TypeError(f"{kind.__name__} has no form")


def _fraction(metadata: Sequence[Any]) -> Form:
    for rounding in metadata:
        if isinstance(rounding, Grid):
            return OnGrid(rounding, _of(metadata, "le"))
        if isinstance(rounding, Significant):
            return Figure(rounding.digits)
    raise TypeError("a fraction needs a grid or a number of significant digits")


def _text(metadata: Sequence[Any]) -> Form:
    forms: dict[str, Form] = {SLUG_PATTERN: Word(), DIGEST_PATTERN: Hex(), ULID_PATTERN: UlidForm()}
    for constraint in metadata:
        if getattr(constraint, "pattern", None) in forms:
            return forms[constraint.pattern]
    raise TypeError("free text has no form; use a slug, a digest or an id")


def _of(metadata: Sequence[Any], name: str, default: Any = None) -> Any:
    """A bound by its name."""
    for found in metadata:
        if getattr(found, name, None) is not None:
            return getattr(found, name)
    if default is None:
        raise TypeError(f"it has no bound {name!r}")
    return default


def _first(least: int, step: int) -> int:
    """The smallest multiple of the step that is not below `least`."""
    return -(-least // step) * step
