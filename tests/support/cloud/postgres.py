"""A private PostgreSQL server for tests, from the machine's packages, on a free port of the loopback."""

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.waiting import wait_until

USER, PASSWORD = "blindspot", "s3cret/with@signs"
PASSWORD_IN_URL = "s3cret%2Fwith%40signs"
START_TIMEOUT_S = 30.0


class PostgresServer:
    """A running server; each `new_database` is empty."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.port = port
        self._process = process
        self._numbers = itertools.count()

    def url(self, name: str) -> str:
        return f"postgresql://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{self.port}/{name}"

    def new_database(self) -> str:
        """The URL of a new database."""
        name = f"store{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5)

    def stop(self) -> None:
        """Disconnect every client and end the server."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, which Debian keeps off the path."""
    candidates = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if (on_path := shutil.which("initdb")) is not None:
        candidates.append(Path(on_path).resolve().parent)
    return next((path for path in candidates if (path / "initdb").exists()), None)


@contextmanager
def running_postgres(
    programs: Path, *, syncs: bool = False, certificate: Path | None = None, newest_tls: str = ""
) -> Iterator[PostgresServer]:
    """A server whose data is removed at the end; `syncs`: whether what it commits survives a power cut.

    With the file of a `certificate` and its key it offers TLS, up to the version `newest_tls` (default: any).
    It refuses to run as root, so root uses another user.
    """
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="blindspot-postgres-"))
    secret = folder / "password"
    secret.write_text(PASSWORD)
    owned = [folder, secret]
    if certificate is not None:
        owned.append(served := folder / "server.pem")
        served.touch(0o600)
        served.write_bytes(certificate.read_bytes())
    if user is not None:
        owner = pwd.getpwnam(user)
        for path in owned:
            os.chown(path, owner.pw_uid, owner.pw_gid)
    command = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", USER, "--no-sync"]
    subprocess.run(
        [*command, "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"],
        user=user, cwd=folder, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    port = _free_port()
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder)}
    options["fsync"] = "on" if syncs else "off"
    if certificate is not None:
        options |= {"ssl": "on", "ssl_cert_file": str(served), "ssl_key_file": str(served)}
        options["ssl_max_protocol_version"] = newest_tls
    process = subprocess.Popen(
        [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
        + [part for name, value in options.items() for part in ("-c", f"{name}={value}")],
        user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    server = PostgresServer(port, process)
    try:
        _await_answer(server, process)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _await_answer(server: PostgresServer, process: "subprocess.Popen[bytes]") -> None:
    def answers() -> bool:
        assert process.poll() is None, "postgres ended at its start"
        try:
            server.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(answers, START_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
