"""The page beside a demo: told once when it answers, told once when it ended, and no run ends with it."""

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
    """What has been told once something was, and after some looks more."""
    assert isinstance(console.file, io.StringIO)
    deadline = time.monotonic() + limit_s
    while not console.file.getvalue() and time.monotonic() < deadline:
        page.look()
        time.sleep(0.05)
    for _ in range(3):
        page.look()
    return console.file.getvalue()


def test_a_page_that_ended_is_told_once_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO())
    beside = page_of("echo 'No module named nicegui'; exit 1", tmp_path, monkeypatch, console)
    assert told_within(beside, console) == (
        "the dashboard ended and the run goes on without it; "
        f"{tmp_path / 'page.log'} says: No module named nicegui\n"
    )
    beside.stop()


def test_the_address_is_told_once_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO())
    serve = f'exec {sys.executable} -m http.server --bind 127.0.0.1 "$6"'
    beside = page_of(serve, tmp_path, monkeypatch, console)
    try:
        told = told_within(beside, console)
    finally:
        beside.stop()
    assert told.startswith("the dashboard is at http://127.0.0.1:")
    assert told.count("\n") == 1
