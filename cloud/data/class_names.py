"""Class names of datasets, and how they become the classes of this deployment.

A class that the deployment does not have is refused when the data is added: the detector could not be trained
on it. `ClassMap` renames or drops classes, as the operator asks, and nothing else.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud.data.faults import DataFindings
from cloud.data.yaml_text import parse_yaml
from cloud.errors import DataRefused
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.runtime.text_files import read_text

_FORM = 'write the class names as a list, as ["fire", "smoke"]'


def parse_class_names(value: Any, where: str, findings: DataFindings) -> tuple[str, ...] | None:
    """Names in the order of their indices, of a list, a mapping from 0, or `{"names": ...}`.

    None, with a fault, for everything else.
    """
    if isinstance(value, dict) and "names" in value:
        count = value.get("nc")
        names = parse_class_names(value["names"], where, findings)
        if names is not None and count is not None and count != len(names):
            findings.fault(where, f"nc is {count}, but there are {len(names)} names", "correct one of them")
        return names
    if isinstance(value, dict):
        by_index = {str(key).strip(): name for key, name in value.items()}
        expected = [str(index) for index in range(len(by_index))]
        if sorted(by_index) != sorted(expected):
            findings.fault(
                where, f"class indices must be 0 to {len(by_index) - 1}, got {', '.join(by_index)}", _FORM
            )
            return None
        value = [by_index[index] for index in expected]
    if not isinstance(value, list):
        findings.fault(where, f"expected a list of class names, got {str(value)[:40]!r}", _FORM)
        return None
    wrong = [name for name in value if not _is_class_name(name)]
    twice = sorted({name for name in value if isinstance(name, str) and value.count(name) > 1})
    if wrong or twice or not value:
        what = (
            f"{wrong[0]!r} is not a class name" if wrong
            else f"class {twice[0]!r} is there twice" if twice
            else "there is no class name"
        )  # fmt: skip
        findings.fault(where, what, _FORM)
        return None
    return tuple(value)


def _is_class_name(value: Any) -> bool:
    named = isinstance(value, str) and value.strip() and value.isprintable()
    return bool(named) and value != UNKNOWN_CLASS


@dataclass(frozen=True)
class ClassMap:
    """What becomes of the classes of a dataset: a class of the deployment, or None, which drops the boxes."""

    renamed: Mapping[str, str | None] = field(default_factory=dict)

    def targets(
        self, names: Sequence[str], known: Sequence[str] | None, where: str, findings: DataFindings
    ) -> dict[str, str | None]:
        """The target of each class; one that is not `known` is a fault. None knows every class."""
        for source in self.renamed:
            if source not in names:
                findings.fault(
                    "--map", f"there is no class {source!r} to map{_hint(source, names)}",
                    f"the dataset has {', '.join(names)}",
                )  # fmt: skip
        targets: dict[str, str | None] = {}
        for name in names:
            target = targets[name] = self.renamed.get(name, name)
            if target is None or known is None or target in known:
                continue
            near, shown = nearest_name(target, known), _quoted(name)
            hint = f"did you mean {near!r}? " if near else ""
            findings.fault(
                where if target == name else "--map",
                f"this deployment has no class {target!r}, it has {', '.join(known)}",
                f"{hint}use --map {shown}={near or 'CLASS'}, or leave its boxes out with --drop {shown}",
            )
        return targets


def parse_class_map(maps: Sequence[str], dropped: Sequence[str]) -> ClassMap:
    """The map of the command line: `NAME=CLASS`, the name of a YAML file, and the names of dropped classes.

    Raises `DataRefused`, or `FileFault` for the file.
    """
    renamed: dict[str, str | None] = {}
    for text in maps:
        source, equals, target = text.rpartition("=")
        pairs = {source: target or None} if equals else read_class_map(Path(text))
        _add(renamed, pairs)
    _add(renamed, dict.fromkeys(dropped))
    return ClassMap(renamed)


def _add(renamed: dict[str, str | None], pairs: Mapping[str, str | None]) -> None:
    for source, target in pairs.items():
        if renamed.get(source, target) != target:
            raise DataRefused(f"class {source!r} is mapped twice, to {renamed[source]!r} and {target!r}")
        renamed[source] = target


def read_class_map(path: Path) -> dict[str, str | None]:
    """The map in a YAML file; None drops a class. Raises `DataRefused` or `FileFault`."""
    pairs = parse_yaml(read_text(path), str(path))
    good = isinstance(pairs, dict) and all(
        isinstance(source, str) and (target is None or isinstance(target, str))
        for source, target in pairs.items()
    )
    if not good:
        raise DataRefused(f"{path} does not map class names; write lines `NAME: CLASS`, `NAME: null` drops")
    return dict(pairs)


def nearest_name(name: str, known: Sequence[str]) -> str | None:
    """The known name that is spelled nearly like this one; None if there is none."""
    plain = {_plain(one): one for one in known}
    near = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=0.75)
    return plain[near[0]] if near else None


def _hint(name: str, known: Sequence[str]) -> str:
    near = nearest_name(name, known)
    return f" (did you mean {near!r}?)" if near else ""


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.-]+", name) else f"'{name}'"
