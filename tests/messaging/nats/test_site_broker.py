"""A site's broker as a program: it makes its users' seeds, answers, and ends cleanly when told to."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from messaging.nats.site_broker import main


def arguments(folder: Path, *more: str) -> list[str]:
    return ["--site", "harbour", "--folder", str(folder), *more]


def test_preparing_makes_the_seeds_of_both_users_for_their_owner_alone(tmp_path: Path) -> None:
    assert main(arguments(tmp_path / "broker", "--prepare")) == 0
    seeds = sorted((tmp_path / "broker").glob("*.nk"))
    assert [seed.name for seed in seeds] == ["gate.nk", "node.nk"]
    assert {seed.stat().st_mode & 0o777 for seed in seeds} == {0o600}
    before = [seed.read_bytes() for seed in seeds]
    assert main(arguments(tmp_path / "broker", "--prepare")) == 0
    assert [seed.read_bytes() for seed in seeds] == before


@pytest.mark.broker
def test_it_answers_where_it_was_told_to_and_ends_cleanly(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "messaging.nats.site_broker", *arguments(tmp_path, "--port", str(port))]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert _greeting(port).startswith(b"INFO")
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


def _greeting(port: int) -> bytes:
    """What the server says first, once it is up."""
    until = time.monotonic() + 20.0
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), 1.0) as link:
                return link.recv(5)
        except OSError:
            time.sleep(0.05)
    return b""
