"""One YAML file a program, read the same way by every program of ours.

Unknown keys are refused with their line and the nearest known name; `${VAR}` takes a value from the
environment, a key ending in `_file` beside a secret reads it from a file, and
`BLINDSPOT__SECTION__KEY=value` overrides one key. Validation is pydantic's and does no I/O beyond this.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from messaging.errors import ConfigurationError

Settings = TypeVar("Settings", bound=BaseModel)
OVERRIDE_PREFIX = "BLINDSPOT__"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_settings(model: type[Settings], path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read, override and validate. Raises `ConfigurationError`: one sentence with file, line and remedy."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"configuration {path} cannot be read ({error.strerror}); write one with `init`"
        ) from None
    return parse_settings(model, text, origin=str(path), environment=environment)


def parse_settings(
    model: type[Settings], text: str, *, origin: str, environment: Mapping[str, str]
) -> Settings:
    """The same for a text. `origin` names it in errors."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            f"{origin}{line}: not valid YAML ({getattr(error, 'problem', error)})"
        ) from None
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"{origin}: expected keys and values at the top, found {type(values).__name__}"
        )
    values = _filled(_overridden(values, environment), environment, origin)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(_sentence(first, model, tree, origin)) from None


def _overridden(values: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    for name, raw in environment.items():
        if not name.startswith(OVERRIDE_PREFIX):
            continue
        *sections, key = name.removeprefix(OVERRIDE_PREFIX).lower().split("__")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = yaml.safe_load(raw)
    return values


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
            return Path(environment[f"{name}_FILE"]).read_text(encoding="utf-8").strip()
        raise ConfigurationError(f"{origin}: ${{{name}}} is not set; export {name} or {name}_FILE")

    return _VARIABLE.sub(lookup, value)


def _sentence(error: Any, model: type[BaseModel], tree: yaml.Node | None, origin: str) -> str:
    location = [part for part in error["loc"] if isinstance(part, str | int)]
    line = _line_of(tree, location)
    where = f"{origin}{f' line {line}' if line else ''}"
    name = ".".join(str(part) for part in location)
    if error["type"] != "extra_forbidden":
        return f"{where}: {name}: {error['msg']}"
    known = _known_keys(model, location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return f"{where}: unknown key {name!r}; {hint}"


def _line_of(node: yaml.Node | None, location: list[Any]) -> int | None:
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
    schema = model.model_json_schema()
    node: Any = schema
    for part in location:
        node = _resolved(schema, node)
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(part) or node.get("additionalProperties") or {}
    return sorted(_resolved(schema, node).get("properties", {}))


def _resolved(schema: Any, node: Any) -> Any:
    for option in node.get("anyOf", []):
        if "$ref" in option or option.get("type") in {"object", "array"}:
            node = option
            break
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return node
