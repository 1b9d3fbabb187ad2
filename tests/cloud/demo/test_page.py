"""The page beside a demo: shown once when it answers, shown once when it ended, and no run ends with it."""

import io
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from cloud.demo import page
from cloud.demo.page import PageProcess


def page_of(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch, console: Console) -> PageProcess:
    """A page whose program is a shell script; its sixth argument is the port."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr(page, "PYTHON", str(program))
    return PageProcess(folder / "data", folder / "page.log", console)


def told_within(page: PageProcess, console: Console, limit_s: float = 20.0) -> str:
    """The printed text, after it appeared and some further checks."""
    assert isinstance(console.file, io.StringIO)
    deadline = time.monotonic() + limit_s
    while not console.file.getvalue() and time.monotonic() < deadline:
        page.check()
        time.sleep(0.05)
    for _ in range(3):
        page.check()
    return console.file.getvalue()


def test_a_page_that_ended_is_reported_once_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO())
    beside = page_of("echo 'No module named nicegui'; exit 1", tmp_path, monkeypatch, console)
    assert told_within(beside, console) == (
        "the dashboard ended and the demo continues without it; the end of "
        f"{tmp_path / 'page.log'}: No module named nicegui\n"
    )
    beside.stop()


def test_the_address_is_printed_once_the_page_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO())
    serve = f'exec {sys.executable} -m http.server --bind 127.0.0.1 "$6"'
    beside = page_of(serve, tmp_path, monkeypatch, console)
    try:
        shown = told_within(beside, console)
    finally:
        beside.stop()
    assert shown.startswith("the dashboard is at http://127.0.0.1:")
    assert shown.count("\n") == 1
