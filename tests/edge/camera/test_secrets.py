"""No password of a camera's address is printed, whoever prints: we, OpenCV or FFmpeg."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from edge.cli import app
from messaging.nats.broker import free_port
from tests.support.trouble.camera_addresses import SECRET, SOURCES, configuration

_READ_ALL = """
import json, sys, threading, time
from edge.camera.source_settings import SourceSettings
from edge.camera.sources import open_source
from messaging.runtime.program import configure_logging

configure_logging("DEBUG")
settings = SourceSettings(speed=1.0, timeout_s=1.0, backoff_first_s=0.2, backoff_max_s=0.5)
stop = threading.Event()

def read(name, address):
    for item in open_source(address, settings, camera=name).frames(stop):
        print(item)

threads = [threading.Thread(target=read, args=pair) for pair in json.loads(sys.argv[1]).items()]
[thread.start() for thread in threads]
time.sleep(4)
stop.set()
[thread.join(10) for thread in threads]
"""


class _Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404 if "cgi-bin" in self.path else 401)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@contextlib.contextmanager
def refusing_server() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.mark.parametrize("listens", [False, True], ids=["closed port", "a server that refuses"])
def test_readers_of_every_scheme_print_no_secret_at_any_level(listens: bool) -> None:
    with refusing_server() as port:
        sources = {
            name: source.format(port=port if listens else free_port()) for name, source in SOURCES.items()
        }
        done = subprocess.run(
            [sys.executable, "-c", _READ_ALL, json.dumps(sources)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    printed = done.stdout + done.stderr
    assert SECRET not in printed
    assert printed.count("Traceback") == 0
    for name in sources:
        assert done.stderr.count(f"reader-{name} failed") >= 1, name
    assert done.stderr.count("\n") <= 4 * len(sources), done.stderr


@pytest.mark.parametrize("command", [["config", "show"], ["config", "validate"], ["doctor"]])
def test_commands_that_read_the_configuration_print_no_secret(tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(configuration("d", "m", "t", port=free_port()), encoding="utf-8")
    result = CliRunner().invoke(app, [*command, "--config", str(path)])
    assert SECRET not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if command == ["config", "show"]:
        shown = {camera["name"]: camera["source"] for camera in json.loads(result.stdout)["cameras"]}
        assert shown.keys() == SOURCES.keys()
        assert all("127.0.0.1:" in source or "camera.invalid" in source for source in shown.values())
