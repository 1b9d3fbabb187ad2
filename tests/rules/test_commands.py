"""Every command and option that a message, a help text or a document names is there."""

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator

import click
import pytest
import typer

import cloud.cli.main
import edge.cli
from tests.rules.structure import PACKAGES, ROOT, modules

PROGRAMS: dict[str, click.Command] = {
    "blindspot": typer.main.get_command(cloud.cli.main.app),
    "blindspot-edge": typer.main.get_command(edge.cli.app),
}
DOCUMENTS = sorted(
    path
    for folder in (ROOT, ROOT / "docs", ROOT / "deploy")
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
    if path.name != "CHANGELOG.md"  # it names what was there once
)
_COMMAND = re.compile(r"(?<![\w/.-])(?:blindspot-edge|blindspot|python -m) [^`\n]+")
_CODE = re.compile(r"```.*?```|`[^`]+`", re.DOTALL)
_END = re.compile(r"\s(?:\||>|&&|;|#)\s?.*|[;,).:]$")
_WORD = re.compile(r"[a-z][a-z-]*")


def _texts(tree: ast.AST) -> Iterator[str]:
    """String literals; a value in an f-string is the placeholder VALUE."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else "VALUE" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def _named() -> Iterator[tuple[str, str]]:
    """Where a command line is named, and the line."""
    for package in PACKAGES:
        for module in modules(package):
            for text in _texts(module.tree):
                for span in re.findall(r"`[^`]+`", text):
                    yield from ((module.path, line) for line in _COMMAND.findall(span.strip("`")))
    for path in DOCUMENTS:
        for span in _CODE.findall(path.read_text()):
            joined = span.strip("`").replace("\\\n", " ")
            yield from ((str(path.relative_to(ROOT)), line) for line in _COMMAND.findall(joined))


def fault_of(line: str) -> str | None:
    """What the line names that is not there; None if all of it is."""
    tokens = shlex.split(_END.sub("", line.replace("...", "")))
    if tokens[:2] == ["python", "-m"]:
        found = tokens[2].startswith(("VALUE", "MODULE", "module")) or importlib.util.find_spec(tokens[2])
        return None if found else f"module {tokens[2]}"
    command: click.Command = PROGRAMS[tokens[0]]
    options = {"--help", "-", "--", *(name for p in command.params for name in p.opts)}
    for token in tokens[1:]:
        names = token.strip("[]").split("|")
        if token.strip("[").startswith("-"):
            unknown = [
                n for n in names if n.split("=")[0] not in options | {"--help", "--version", "-", "--"}
            ]
            if unknown:
                return f"option {unknown[0]} of {command.name}"
        elif (inner := getattr(command, "commands", {})) and all(_WORD.fullmatch(name) for name in names):
            missing = [name for name in names if name not in inner]
            if missing:
                return f"command {missing[0]} of {command.name}"
            if len(names) > 1:
                return None
            command = inner[names[0]]
            options |= {name for p in command.params for name in p.opts}
    return None


def test_the_reader_of_command_lines_finds_what_is_not_there() -> None:
    assert fault_of("blindspot cloud run --data FOLDER") is None
    assert fault_of("blindspot sites|cameras list") is None
    assert fault_of("blindspot cloud walk") == "command walk of cloud"
    assert fault_of("blindspot cloud run --folder X") == "option --folder of run"
    assert fault_of("python -m synth.nowhere") == "module synth.nowhere"


@pytest.mark.parametrize(("where", "line"), sorted(set(_named())))
def test_a_command_that_is_named_exists(where: str, line: str) -> None:
    assert fault_of(line) is None, f"{where} names {line!r}"
