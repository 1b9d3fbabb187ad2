"""Every command that an empty part of a page names is one that the command line accepts as it is written."""

import ast
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import dashboards
from cloud.cli.main import app

ROOT = Path(dashboards.__file__).parent


def named_commands() -> Iterator[str]:
    """The texts of `Empty(..., command="blindspot ...")`; what is filled in is written X."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "command":
                text = _text(node.value)
                if text.startswith("blindspot "):
                    yield text


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
    return "X"


def missing(text: str) -> list[str]:
    """The required arguments and options that the line lacks, or the command that is none."""
    command: Any = typer.main.get_command(app)
    words = shlex.split(text)[1:]
    while inner := getattr(command, "commands", {}):
        name = words.pop(0) if words else ""
        if name not in inner:
            return [f"command {name}".strip()]
        command = inner[name]
    options = {spelling: one for one in command.params for spelling in one.opts if spelling.startswith("-")}
    given, values = set(), 0
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            values += 1
        elif word not in options:
            return [f"option {word}"]
        else:
            given.add(options[word].name)
            words = words if options[word].is_flag else words[1:]
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    wanted = [one for one in command.params if one.param_type_name == "option" and one.required]
    return [
        *(one.name for one in arguments[values:] if one.required),
        *(one.name for one in wanted if one.name not in given and one.prompt is None),
    ]


@pytest.mark.parametrize("text", sorted(set(named_commands())))
def test_a_command_of_an_empty_part_lacks_nothing(text: str) -> None:
    assert missing(text) == []


def test_a_command_that_lacks_something_is_noticed() -> None:
    assert missing("blindspot users add NAME") == ["role"]
    assert missing("blindspot users add --role viewer") == ["name"]
    assert missing("blindspot users create NAME") == ["command create"]
    assert missing("blindspot users list --everything") == ["option --everything"]
