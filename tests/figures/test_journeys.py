"""The count of journeys: only those that passed, of all that the file has."""

import pytest

from tests.support.figures.journeys import journeys_passed, names_of_tests

SOURCE = """
def test_one() -> None: ...
def test_two() -> None: ...
def helper() -> None:
    def test_inside() -> None: ...
"""
PASSED = '<testcase name="test_one"/>'


def report(*cases: str) -> bytes:
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>".encode()


def test_the_journeys_are_the_test_functions_of_the_file() -> None:
    assert names_of_tests(SOURCE) == {"test_one", "test_two"}


def test_all_passed_holds() -> None:
    figure = journeys_passed(names_of_tests(SOURCE), report(PASSED, '<testcase name="test_two"/>'))
    assert (figure.value, figure.n, figure.holds) == (2, 2, True)


@pytest.mark.parametrize(
    "second",
    [
        '<testcase name="test_two"><failure message="no"/></testcase>',
        '<testcase name="test_two"><error message="no"/></testcase>',
        '<testcase name="test_two"><skipped message="there is no chromium"/></testcase>',
        '<testcase name="test_two"/><testcase name="test_two"><error message="at its end"/></testcase>',
        '<testcase name="test_another"/>',
        "",
    ],
    ids=["failed", "error", "skipped", "error at its end", "another file", "not run"],
)
def test_a_journey_that_did_not_pass_is_not_counted(second: str) -> None:
    figure = journeys_passed(names_of_tests(SOURCE), report(PASSED, second))
    assert (figure.value, figure.target, figure.holds) == (1, "= 2", False)


def test_without_a_report_nothing_was_measured() -> None:
    figure = journeys_passed(names_of_tests(SOURCE), None)
    assert (figure.value, figure.holds) == (None, False)
