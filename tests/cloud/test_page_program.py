"""The dashboard beside `cloud run`: when it starts, that it is started again, and what is announced."""

import asyncio
import importlib.util
from pathlib import Path

import pytest

from cloud import page_program
from cloud.errors import BadRequest
from cloud.page_program import PageProgram, page_of
from cloud.settings import CloudSettings, PageSettings
from messaging.errors import ConfigurationError
from messaging.runtime.configuration_files import parse_settings

LINK = "http://127.0.0.1:8751/login?token=T"


def settings_of(text: str, **environment: str) -> CloudSettings:
    return parse_settings(CloudSettings, text, origin="cloud.yaml", environment=environment)


def installed(yes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if yes else None)


@pytest.mark.parametrize(
    ("text", "option", "expected"),
    [
        ("{}", None, PageSettings()),
        ("page: {port: 0}", None, PageSettings(port=0)),
        ("page: true", None, PageSettings()),
        ("page: false", None, None),
        ("page: false", True, PageSettings()),
        ("page: {port: 9000}", False, None),
    ],
)
def test_the_page_starts_by_default_and_option_before_configuration(
    text: str, option: bool | None, expected: PageSettings | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(True, monkeypatch)
    assert page_of(settings_of(text), option) == expected


def test_the_environment_can_leave_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(True, monkeypatch)
    assert page_of(settings_of("{}", BLINDSPOT__PAGE="false"), None) is None


def test_where_it_is_not_installed_it_is_left_out_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(False, monkeypatch)
    assert page_of(settings_of("{}"), None) is None
    with pytest.raises(BadRequest, match="install blindspot with the extra `dashboards`"):
        page_of(settings_of("{}"), True)


@pytest.mark.parametrize("text", ["page: 7", "page: {host: 0.0.0.0}", "page: {port: -1}"])
def test_anything_else_in_its_section_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="page"):
        settings_of(text)


def run_program(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> list[str]:
    """The addresses that a page was announced with, whose program is a shell script."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr(page_program, "PYTHON", str(program))
    monkeypatch.setattr(page_program, "POLL_S", 0.02)
    monkeypatch.setattr(page_program, "FIRST_WAIT_S", 0.05)
    announced: list[str] = []

    async def scenario() -> None:
        started, stop = asyncio.Event(), asyncio.Event()
        beside = PageProgram(folder / "data", PageSettings(port=0), announced.append)
        running = asyncio.create_task(beside.run(started, stop))
        await asyncio.sleep(0.1)
        assert not (folder / "data" / "page.log").exists()  # it waits for the API
        started.set()
        async with asyncio.timeout(seconds):
            while len(announced) < 2:
                await asyncio.sleep(0.02)
                if announced and "exec sleep" in script:
                    break
        stop.set()
        await running

    (folder / "data").mkdir()
    asyncio.run(scenario())
    return announced


def test_its_address_is_announced_once_and_only_its_owner_reads_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f'echo "$@" >&2; echo the page is at http://127.0.0.1:8751/; echo "open {LINK}"; exec sleep 60'
    assert run_program(script, tmp_path, monkeypatch, seconds=20.0) == [LINK]
    log = tmp_path / "data" / "page.log"
    assert log.stat().st_mode & 0o077 == 0
    assert f"-m dashboards.app --data {tmp_path / 'data'} --port 0" in log.read_text()


def test_a_page_that_ends_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script = f'echo "open {LINK}"; sleep 0.3; echo no memory; exit 1'
    assert run_program(script, tmp_path, monkeypatch, seconds=30.0) == [LINK, LINK]
    assert "the dashboard does not run and is started again" in caplog.text
    assert caplog.text.rstrip().endswith("no memory")


def test_a_stop_before_the_api_answers_starts_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        stop.set()
        program = PageProgram(tmp_path, PageSettings(), lambda _: None)
        await asyncio.wait_for(program.run(asyncio.Event(), stop), 5.0)

    asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []
