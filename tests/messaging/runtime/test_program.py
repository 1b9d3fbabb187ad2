"""Programs alike: one sentence for an expected error, other errors are not hidden."""

import errno
import logging
import threading

import pytest

from messaging.errors import ConfigurationError
from messaging.runtime import program
from messaging.runtime.program import ExitCode, exit_code_of, when_there_is_room


def test_an_expected_error_is_one_sentence_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise ConfigurationError("site is missing in gate.yaml; add a line site: NAME")

    assert exit_code_of(fails) is ExitCode.FAILED
    assert capsys.readouterr().err == "error: site is missing in gate.yaml; add a line site: NAME\n"


def test_a_program_that_ends_well_has_exit_code_0_and_a_programming_error_is_raised() -> None:
    assert exit_code_of(lambda: None) is ExitCode.OK
    with pytest.raises(ZeroDivisionError):
        exit_code_of(lambda: 1 // 0)


def test_a_full_disk_has_an_exit_code_of_its_own() -> None:
    def fails() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/x")

    assert exit_code_of(fails) is ExitCode.DISK_FULL


def test_a_program_whose_disk_is_full_begins_again_until_there_is_room_or_it_is_to_stop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(program, "FIRST_ROOM_WAIT_S", 0.001)
    tries: list[int] = []

    def run() -> None:
        tries.append(1)
        if len(tries) < 4:
            raise OSError(errno.ENOSPC, "No space left on device", "/data/x")

    with caplog.at_level(logging.ERROR):
        when_there_is_room(run)
    assert len(tries) == 4
    assert caplog.text.count("waits for room on the disk: /data/x: No space left on device") == 1
    stop = threading.Event()
    stop.set()
    when_there_is_room(run, stop)
    assert len(tries) == 4


def test_another_error_is_raised_at_once() -> None:
    def run() -> None:
        raise ConfigurationError("a mistake")

    with pytest.raises(ConfigurationError, match="a mistake"):
        when_there_is_room(run)
