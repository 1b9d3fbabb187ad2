"""Ctrl-C in the middle of a demo: every program that it started ends, and every port is free again."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
UP_LIMIT_S, DOWN_LIMIT_S = 90.0, 40.0
OBSERVING = "observing the cameras"
PROGRAMS = {"nats-server", "edge.cli", "cloud.cli.main", "dashboards.app"}
LISTENERS = 4
# a shell's background jobs ignore SIGINT, and so would the demo that they start
DEFAULT_SIGINT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(UP_LIMIT_S + DOWN_LIMIT_S + 20)]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The tiny demo, just started; it receives SIGINT even where these tests run in the background."""
    command = [sys.executable, "-c", DEFAULT_SIGINT, sys.executable]
    command += ["-m", "cloud.cli.main", "demo", "--tiny", "--out", str(tmp_path / "demo")]
    with (tmp_path / "log").open("wb") as log:
        started = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    yield started
    started.kill()
    started.wait()


def _children(demo: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    return psutil.Process(demo.pid).children(recursive=True)


def _programs(children: list[psutil.Process]) -> set[str]:
    """Those of `PROGRAMS` that run."""
    names: set[str] = set()
    for child in children:
        try:
            names.update(Path(argument).name for argument in child.cmdline())
        except psutil.NoSuchProcess:
            continue
    return names & PROGRAMS


def _ports(children: list[psutil.Process]) -> set[int]:
    """Ports that they listen on."""
    found: set[int] = set()
    for child in children:
        try:
            connections = child.net_connections("inet")
        except psutil.NoSuchProcess:
            continue
        found |= {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}
    return found


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_ctrl_c_leaves_no_process_and_no_port_behind(demo: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    log = tmp_path / "log"
    wait_until(lambda: OBSERVING in log.read_text() or demo.poll() is not None, UP_LIMIT_S)
    assert demo.poll() is None, log.read_text()
    children = _children(demo)
    ports = _ports(children)
    assert _programs(children) == PROGRAMS
    assert len(ports) >= LISTENERS, "the hub's and the sites' brokers, and the API"

    demo.send_signal(signal.SIGINT)
    assert demo.wait(DOWN_LIMIT_S) == 130
    _, left = psutil.wait_procs(children, timeout=5)
    assert [process.cmdline() for process in left] == []
    assert [port for port in ports if _is_taken(port)] == []
    assert "Traceback" not in log.read_text()
