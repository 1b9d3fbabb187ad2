"""One YAML file a program, read the same way by every program of ours.

Unknown and repeated keys are refused with their lines and the nearest known name; `${VAR}` takes a value
from the environment, a key ending in `_file` beside a secret reads it from a file, and
`BLINDSPOT__SECTION__KEY=value` overrides one key. Validation is pydantic's and does no I/O beyond this.
"""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from messaging.errors import ConfigurationError, FileFault
from messaging.runtime.addresses import masked_address
from messaging.runtime.text_files import read_text
from messaging.runtime.yaml_trees import UNTRANSLATED, refuse_unclear_yaml

Settings = TypeVar("Settings", bound=BaseModel)
OVERRIDE_PREFIX = "BLINDSPOT__"
_LIMIT_BYTES = 2**20
_YAML_NAMES = {dict: "a section", list: "a list", str: "a text", bool: "yes or no", type(None): "nothing"}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_settings(model: type[Settings], path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read, override and validate. Raises `ConfigurationError`: one sentence with file, line and remedy."""
    try:
        text = read_text(path, limit_bytes=_LIMIT_BYTES)
    except FileFault as error:
        raise ConfigurationError(f"configuration {error}; check the path and the file") from None
    return parse_settings(model, text, origin=str(path), environment=environment)


def parse_settings(
    model: type[Settings], text: str, *, origin: str, environment: Mapping[str, str]
) -> Settings:
    """The same for a text. `origin` names it in errors."""
    tree, values = _parsed(text, origin)
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"{origin}: expected keys and values at the top, found {type(values).__name__}"
        )
    overrides = _Overrides(environment)
    values = _filled(overrides.applied(values), environment, origin)
    try:
        return model.model_validate(_without_empty_sections(values, model))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(_sentence(first, model, tree, origin, overrides)) from None


def _parsed(text: str, origin: str) -> tuple[yaml.Node | None, Any]:
    """The nodes of a YAML document and its values. Raises `ConfigurationError`."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        if tree is not None:
            refuse_unclear_yaml(tree, origin)
        return tree, yaml.safe_load(text) or {}
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        hint = "; indent with blanks" if "\\t" in str(error.problem) else ""
        raise ConfigurationError(f"{origin}{line}: not valid YAML ({error.problem}{hint})") from None
    except yaml.reader.ReaderError as error:
        line = f" line {text[: error.position].count(chr(10)) + 1}"
        raise ConfigurationError(f"{origin}{line}: not valid YAML ({error.reason})") from None
    except UNTRANSLATED as error:
        raise ConfigurationError(f"{origin}: not valid YAML ({error})") from None


class _Overrides:
    """The variables `BLINDSPOT__SECTION__KEY`, by the key that each one sets."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._variables = {
            tuple(name.removeprefix(OVERRIDE_PREFIX).lower().split("__")): (name, raw)
            for name, raw in environment.items()
            if name.startswith(OVERRIDE_PREFIX)
        }

    def applied(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values with every variable entered. Raises `ConfigurationError` naming the variable."""
        for (*sections, key), (name, raw) in self._variables.items():
            place = values
            for section in sections:
                inner = place.get(section)
                if inner is None:
                    inner = place[section] = {}
                if not isinstance(inner, dict):
                    raise ConfigurationError(
                        f"variable {name}: {section} is not a section but {type(inner).__name__}; "
                        "change it in the file"
                    )
                place = inner
            try:
                place[key] = yaml.safe_load(raw)
            except (yaml.YAMLError, *UNTRANSLATED):
                raise ConfigurationError(f"variable {name}: its value is not valid YAML") from None
        return values

    def variable(self, location: Sequence[Any]) -> str | None:
        """The variable that set the key at `location` or the nearest key around it."""
        for end in range(len(location), 0, -1):
            found = self._variables.get(tuple(str(part) for part in location[:end]))
            if found is not None:
                return found[0]
        return None


def _filled(value: Any, environment: Mapping[str, str], origin: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, environment, origin) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, environment, origin) for item in value]
    if not isinstance(value, str):
        return value

    def lookup(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in environment:
            return environment[name]
        if f"{name}_FILE" in environment:
            try:
                return read_text(Path(environment[f"{name}_FILE"]), limit_bytes=_LIMIT_BYTES).strip()
            except FileFault as error:
                raise ConfigurationError(f"{origin}: ${{{name}}}: variable {name}_FILE: {error}") from None
        raise ConfigurationError(f"{origin}: ${{{name}}} is not set; export {name} or {name}_FILE")

    return _VARIABLE.sub(lookup, value)


def _without_empty_sections(values: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The values without sections that hold nothing (`reports:` and only comments below): all defaults."""

    def is_empty_section(key: str) -> bool:
        field = model.model_fields.get(key)
        kind = field.annotation if field else None
        return values[key] is None and isinstance(kind, type) and issubclass(kind, BaseModel)

    return {key: value for key, value in values.items() if not is_empty_section(str(key))}


def _sentence(
    error: Any, model: type[BaseModel], tree: yaml.Node | None, origin: str, overrides: _Overrides
) -> str:
    location = [part for part in error["loc"] if isinstance(part, str | int)]
    keys = _without_tags(model, location)
    variable, line = overrides.variable(keys), _line_of(tree, keys)
    where = f"variable {variable}" if variable else f"{origin}{f' line {line}' if line else ''}"
    name = ".".join(str(part) for part in keys)
    if error["type"] != "extra_forbidden":
        allowed = _schema_at(model, location).get("description")
        return f"{where}: {f'{name}: ' if name else ''}{_fault(error, allowed)}"
    known = _known_keys(model, location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return f"{where}: unknown key {name!r}; {hint}"


def _fault(error: Any, allowed: str | None) -> str:
    """What is wrong with one value, in the words of YAML; `allowed` describes the values of its key."""
    value, kind = error["input"], error["type"]
    found = _YAML_NAMES.get(type(value), type(value).__name__)
    if kind == "missing":
        return f"this key is missing; write {allowed}" if allowed else "this key is missing"
    if kind in ("tuple_type", "list_type"):
        return f"expected a list (lines that begin with `- `), found {found}"
    if kind in ("dict_type", "model_type"):
        return f"expected a section (indented keys and values), found {found}"
    if kind == "string_pattern_mismatch":
        wanted = allowed or f"the pattern {error['ctx']['pattern']}"
        return f"{masked_address(value)[:60]!r} is not allowed here; write {wanted}"
    if kind == "union_tag_invalid":
        tag, key = str(error["ctx"]["tag"])[:60], error["ctx"]["discriminator"]
        return f"{key} {tag!r} is not known; write one of {error['ctx']['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"the key {error['ctx']['discriminator']} is missing"
    if kind == "too_short":
        return f"expected at least {error['ctx']['min_length']}, found {error['ctx']['actual_length']}"
    return str(error["msg"]).removeprefix("Value error, ")


def _line_of(node: yaml.Node | None, location: Sequence[Any]) -> int | None:
    """1-based line of the key at `location`, or of its nearest parent that is in the file."""
    line: int | None = None
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _known_keys(model: type[BaseModel], location: list[Any]) -> list[str]:
    return sorted(_schema_at(model, location).get("properties", {}))


def _schema_at(model: type[BaseModel], location: Sequence[Any]) -> dict[str, Any]:
    """The JSON Schema of the key at `location`."""
    schema = model.model_json_schema()
    node: Any = schema
    for part in location:
        node = _resolved(schema, node)
        if part in (kinds := _kinds(node)):
            node = {"$ref": kinds[part]}
        elif isinstance(part, int):
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(part) or node.get("additionalProperties") or {}
    return dict(_resolved(schema, node))


def _kinds(node: Any) -> dict[Any, str]:
    """The schemas of the values of a key that decides between them, as `kind` does."""
    found: dict[Any, str] = node.get("discriminator", {}).get("mapping", {})
    return found


def _without_tags(model: type[BaseModel], location: Sequence[Any]) -> list[Any]:
    """The keys of a location; pydantic puts the value of a deciding key among them."""
    return [part for n, part in enumerate(location) if part not in _kinds(_schema_at(model, location[:n]))]


def _resolved(schema: Any, node: Any) -> Any:
    for option in node.get("anyOf", []):
        if "$ref" in option or option.get("type") in {"object", "array"}:
            node = option
            break
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return node
