"""The page of a demo: its address or its end is printed once, and the demo continues without it."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from cloud.demo import page
from cloud.demo.page import PageProcess
from tests.support.waiting import wait_until


def page_of(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch, console: Console) -> PageProcess:
    """A page whose program is a shell script."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr(page, "PYTHON", str(program))
    return PageProcess(folder / "data", folder / "page.log", console)


def printed(page: PageProcess, console: Console) -> str:
    """The printed text, after it appeared and some further checks."""
    output = console.file
    assert isinstance(output, io.StringIO)

    def check() -> str:
        page.check()
        return output.getvalue()

    wait_until(check)
    for _ in range(3):
        check()
    return output.getvalue()


def test_a_page_that_ended_is_reported_once_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO())
    beside = page_of("echo 'No module named nicegui'; exit 1", tmp_path, monkeypatch, console)
    assert printed(beside, console) == (
        "the dashboard ended and the demo continues without it; the end of "
        f"{tmp_path / 'page.log'}: No module named nicegui\n"
    )
    beside.stop()


def test_the_link_is_printed_once_the_page_answers_and_only_its_owner_reads_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO())
    serve = (
        "echo the page is at http://127.0.0.1:1/; echo open http://127.0.0.1:1/login?token=T; exec sleep 60"
    )
    beside = page_of(serve, tmp_path, monkeypatch, console)
    try:
        shown = printed(beside, console)
    finally:
        beside.stop()
    assert shown == "the dashboard is at http://127.0.0.1:1/login?token=T\n"
    assert (tmp_path / "page.log").stat().st_mode & 0o077 == 0
