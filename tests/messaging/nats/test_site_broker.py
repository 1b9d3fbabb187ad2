"""A site's broker: it makes its users' seeds, listens, and ends cleanly at a stop signal."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from messaging.nats.broker import free_port
from messaging.nats.site_broker import prepare_broker
from tests.support.waiting import wait_until


def arguments(folder: Path, *more: str) -> list[str]:
    return ["broker", "--site", "harbour", "--folder", str(folder), *more]


def test_preparing_makes_the_seeds_of_both_users_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    config = prepare_broker(folder, "harbour", host="127.0.0.1", port=4333)
    assert (config.host, config.port) == ("127.0.0.1", 4333)
    seeds = sorted(folder.glob("*.nk"))
    assert [seed.name for seed in seeds] == ["gate.nk", "node.nk"]
    assert {seed.stat().st_mode & 0o777 for seed in seeds} == {0o600}
    before = [seed.read_bytes() for seed in seeds]
    prepare_broker(folder, "harbour", host="127.0.0.1", port=4333)
    assert [seed.read_bytes() for seed in seeds] == before


@pytest.mark.broker
def test_the_command_listens_on_the_given_port_and_ends_cleanly_at_sigterm(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "edge.cli", *arguments(tmp_path, "--port", str(port))]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert _greeting(port).startswith(b"INFO")
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


@pytest.mark.broker
def test_a_broker_whose_seed_others_may_read_names_it_and_listens(tmp_path: Path) -> None:
    prepare_broker(tmp_path, "harbour", host="127.0.0.1", port=1)
    seed, port = tmp_path / "node.nk", free_port()
    seed.chmod(0o644)
    command = [sys.executable, "-m", "edge.cli", *arguments(tmp_path, "--port", str(port))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert _greeting(port).startswith(b"INFO")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=15)
    assert process.returncode == 0
    assert log.count(f"node.nk: {seed} has mode 0644; others may read it: chmod 600 {seed}\n") == 1
    assert "gate.nk" not in log


def _greeting(port: int) -> bytes:
    """The first bytes that the server sends, once it is up."""

    def accepts() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(accepts)
    with socket.create_connection(("127.0.0.1", port), 1.0) as link:
        return link.recv(5)
