"""The embedded broker: loopback, fsync, one owner per store, restarts, end with its parent."""

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from messaging.errors import ConfigurationError, StartRefused, WireUnavailable
from messaging.nats import broker as broker_module
from messaging.nats.broker import EmbeddedBroker, _answers, find_server
from messaging.nats.broker_config import BrokerConfig, refuse_volatile_filesystem, site_config
from messaging.runtime.atomic_files import write_secret
from messaging.runtime.child_process import ChildProcess
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _port(broker: EmbeddedBroker) -> int:
    return int(broker.url.rsplit(":", 1)[1])


def test_the_configuration_binds_to_loopback_and_syncs_every_message(tmp_path: Path) -> None:
    config, keys = site_config(tmp_path, "s1")
    text = config.rendered(4333)
    assert 'listen: "127.0.0.1:4333"\n' in text
    assert "sync_interval: always" in text
    assert "max_payload: 262144" in text
    assert 'domain: "s1"' in text
    assert "no_auth_user" not in text
    assert keys.node.read_text().strip() not in text
    assert "sync_interval" not in site_config(tmp_path, "s1", unsafe_fast=True)[0].rendered(1)


@pytest.mark.broker
def test_a_broker_keeps_its_port_and_leaves_none_open(tmp_path: Path) -> None:
    config, _ = site_config(tmp_path, "s1")
    with EmbeddedBroker(config) as broker:
        port = _port(broker)
        assert _accepts_connections(port)
        assert stat.S_IMODE((tmp_path / "server.conf").stat().st_mode) == 0o600
        pid = broker.pid
    assert not _accepts_connections(port)
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
    with EmbeddedBroker(config) as broker:
        assert _port(broker) == port
        assert "Server is ready" in broker.log_path.read_text()
    broker.stop()


@pytest.mark.broker
def test_a_port_that_is_taken_is_exchanged_for_a_free_one(tmp_path: Path) -> None:
    config, _ = site_config(tmp_path, "s1")
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        (tmp_path / "port").write_text(str(taken))
        with EmbeddedBroker(config) as broker:
            assert _port(broker) != taken


@pytest.mark.broker
def test_a_killed_broker_is_started_again_on_the_same_port(tmp_path: Path) -> None:
    config, _ = site_config(tmp_path, "s1")
    with EmbeddedBroker(config) as broker:
        port, first = _port(broker), broker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: broker.pid not in (None, first) and _accepts_connections(port))
        assert broker.restarts == 1


@pytest.mark.broker
def test_a_reload_while_the_server_starts_does_not_end_it(tmp_path: Path) -> None:
    config, _ = site_config(tmp_path, "s1")
    with EmbeddedBroker(config) as broker:
        port, first = _port(broker), broker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: broker.pid not in (None, first))
        broker.reload(config)
        wait_until(lambda: _accepts_connections(port))
        assert broker.restarts == 1
        wait_until(lambda: "Reloaded" in broker.log_path.read_text())


@pytest.mark.broker
def test_a_reload_returns_when_it_is_used_and_one_that_is_refused_is_an_error(tmp_path: Path) -> None:
    config, _ = site_config(tmp_path, "s1")
    with EmbeddedBroker(config) as broker:
        broker.reload(config)
        assert broker.log_path.read_text().count("Reloaded server configuration") == 1
        with pytest.raises(WireUnavailable, match="did not take its new configuration"):
            broker.reload(replace(config, access="resolver: NONSENSE\n"))
        broker.reload(config)
        assert broker.restarts == 0


@pytest.mark.broker
def test_two_brokers_never_use_one_store(tmp_path: Path) -> None:
    config, _ = site_config(tmp_path, "s1")
    with EmbeddedBroker(config), pytest.raises(ConfigurationError, match="another broker runs"):
        EmbeddedBroker(config).start()


@pytest.mark.broker
def test_kill_9_of_the_parent_leaves_no_broker_behind(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from messaging.nats.broker import EmbeddedBroker\n"
        "from messaging.nats.broker_config import site_config\n"
        "broker = EmbeddedBroker(site_config(Path(sys.argv[1]), 's1')[0])\n"
        "broker.start()\n"
        "print(broker.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    parent.kill()
    parent.wait(60)
    parent.stdout.close()
    wait_until(lambda: not _runs(pid))
    with EmbeddedBroker(site_config(tmp_path, "s1")[0]):
        pass


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.broker
def test_the_error_of_a_broker_that_cannot_run_names_its_log(tmp_path: Path) -> None:
    config = BrokerConfig("broken", tmp_path, "this is { no configuration")
    started = time.monotonic()
    with pytest.raises(WireUnavailable, match=r"server\.log"):
        EmbeddedBroker(config, start_timeout_s=1.5).start()
    assert time.monotonic() - started < 10


def test_a_file_that_is_no_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a nats-server"):
        find_server(tmp_path / "nats-server")
    assert find_server().name.startswith("nats-server")


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no tmpfs here")
def test_a_store_in_memory_is_refused() -> None:
    kind = [line.split()[2] for line in Path("/proc/mounts").read_text().splitlines() if " /dev/shm " in line]
    if kind != ["tmpfs"]:
        pytest.skip("/dev/shm is not a tmpfs here")
    with pytest.raises(ConfigurationError, match="power cut"):
        refuse_volatile_filesystem(Path("/dev/shm"))


def test_a_port_of_another_server_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = replace(site_config(tmp_path, "s1")[0], port=port)
        with pytest.raises(StartRefused, match=f"127.0.0.1:{port}: Address already in use; choose another"):
            EmbeddedBroker(config).start()
    assert not (tmp_path / "server.log").exists()
    EmbeddedBroker(config).stop()


def test_a_greeting_of_another_server_is_not_taken_for_ours(tmp_path: Path) -> None:
    config = site_config(tmp_path / "other", "other")[0]
    with EmbeddedBroker(config) as other:
        process = ChildProcess(["sleep", "30"], log=tmp_path / "log")
        address = ("127.0.0.1", _port(other))
        try:
            ours = replace(config, name="site-s1")
            assert not _answers(ours, address, process, 1.0, threading.Event())
            assert _answers(config, address, process, 5.0, threading.Event())
        finally:
            process.kill()


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"four", b"99999999", b"\xff\xfe4\0"])
def test_a_damaged_port_file_is_made_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "port").write_bytes(content)
    with EmbeddedBroker(site_config(tmp_path, "s1")[0]) as broker:
        assert (tmp_path / "port").read_text() == broker.url.rpartition(":")[2]


@pytest.mark.parametrize("name", ["a?x=1", "d[north]", 'quo"te', "back\\slash", "naïve ordner", "$HOME"])
def test_the_store_is_in_the_folder_whatever_its_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    with EmbeddedBroker(site_config(folder, "s1")[0]):
        assert (folder / "store").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_is_full_for_a_moment_does_not_end_the_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedBroker(site_config(tmp_path, "s1")[0]) as broker:
        left = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "server.conf")] * 3

        def write(path: Path, data: bytes) -> None:
            if left:
                raise left.pop()
            write_secret(path, data)

        monkeypatch.setattr(broker_module, "write_secret", write)
        pid = broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: broker.pid not in (None, pid))
        assert not left
