"""Which tests of a file pass, from the file's text and the JUnit report of pytest. Pure."""

import ast
import xml.etree.ElementTree as ElementTree
from collections.abc import Set

from messaging.figures import Figure

_NOT_PASSED = ("failure", "error", "skipped")


def names_of_tests(source: str) -> frozenset[str]:
    """The names of the test functions of a module without parametrised tests, from its text."""
    body = ast.parse(source).body
    return frozenset(
        one.name for one in body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")
    )


def passed_tests(report: bytes) -> frozenset[str]:
    """The names of the tests that neither failed nor were skipped, in a report that pytest wrote."""
    cases = ElementTree.fromstring(report).iter("testcase")  # noqa: S314  # our own child wrote it
    passed: set[str] = set()
    other: set[str] = set()
    for case in cases:
        found = other if any(case.find(tag) is not None for tag in _NOT_PASSED) else passed
        found.add(case.attrib["name"])
    return frozenset(passed - other)  # a test whose fixture fails at its end has two entries


def journeys_passed(journeys: Set[str], report: bytes | None) -> Figure:
    """How many of the journeys passed, of all; not measured without a report."""
    value = None if report is None else len(journeys & passed_tests(report))
    return Figure("journeys_passed", value, "journeys", f"= {len(journeys)}", n=len(journeys))
