"""Programs alike: one sentence for an expected error, other errors are not hidden."""

import pytest

from messaging.errors import ConfigurationError
from messaging.runtime.program import ExitCode, exit_code_of


def test_an_expected_error_is_one_sentence_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise ConfigurationError("site is missing in gate.yaml; add a line site: NAME")

    assert exit_code_of(fails) is ExitCode.FAILED
    assert capsys.readouterr().err == "error: site is missing in gate.yaml; add a line site: NAME\n"


def test_a_program_that_ends_well_has_exit_code_0_and_a_programming_error_is_raised() -> None:
    assert exit_code_of(lambda: None) is ExitCode.OK
    with pytest.raises(ZeroDivisionError):
        exit_code_of(lambda: 1 // 0)
