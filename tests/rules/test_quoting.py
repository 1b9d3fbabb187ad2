"""Paths enter the syntax of other programs in one module only: `messaging/runtime/quoting.py`."""

import ast
import re

import pytest

from tests.rules.structure import PACKAGES, modules

QUOTING = "messaging/runtime/quoting.py"
_PATH_SYNTAX = re.compile(r"(?:sqlite|file)://|store_dir:\s*\"?$")


def _urls_of_paths(tree: ast.AST) -> list[int]:
    """Lines of f-strings that put a value behind `sqlite://`, `file://` or a bare `store_dir:`."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            for before, after in zip(node.values, node.values[1:], strict=False):
                text = before.value if isinstance(before, ast.Constant) else ""
                quoted = isinstance(after, ast.FormattedValue) and isinstance(after.value, ast.Call)
                if _PATH_SYNTAX.search(str(text)) and not quoted:
                    found.append(node.lineno)
    return found


def test_the_rule_finds_a_path_that_is_put_into_a_url() -> None:
    assert _urls_of_paths(ast.parse('url = f"sqlite:///{path}"')) == [1]
    assert _urls_of_paths(ast.parse('text = f"store_dir: \\"{folder}"')) == [1]
    assert _urls_of_paths(ast.parse('text = f"store_dir: {nats_string(folder)}"')) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_puts_a_path_into_foreign_syntax_by_itself(package: str) -> None:
    wrong = {
        m.path: lines for m in modules(package) if m.path != QUOTING and (lines := _urls_of_paths(m.tree))
    }
    assert not wrong
