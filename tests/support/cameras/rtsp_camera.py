"""A camera over RTSP: Debian's GStreamer server as a child process of the tests."""

import functools
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

PYTHON = "/usr/bin/python3"
PACKAGES = (
    "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-ugly"
)
_PROGRAM = Path(__file__).with_name("rtsp_program.py")
_PROBE = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer;"
    "Gst.init(None); raise SystemExit(0 if Gst.ElementFactory.find('x264enc') else 1)"
)


@functools.cache
def missing_packages() -> str | None:
    """A sentence that names what is to be installed, or None when an RTSP server can be started here."""
    probe = subprocess.run([PYTHON, "-c", _PROBE], capture_output=True, check=False) if _python() else None
    if probe is not None and probe.returncode == 0:
        return None
    return f"no RTSP server here; install {PACKAGES}"


def _python() -> bool:
    return Path(PYTHON).exists()


class RtspCamera:
    """One camera at a port, of loopback by default; `options` are those of `rtsp_program`.

    `launcher` is a command that starts the program that follows it, for instance on another network.
    """

    def __init__(
        self, port: int, *options: str, host: str = "127.0.0.1", launcher: Sequence[str] = ()
    ) -> None:
        self.port = port
        self._host = host
        self._launcher = launcher
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        """Where it plays, with the credential that it may demand."""
        return f"rtsp://viewer:right@{self._host}:{self.port}/street"

    def start(self, *options: str) -> None:
        """Start, and wait until it listens; other options replace those of before."""
        self._options = options or self._options
        self._process = subprocess.Popen(
            [*self._launcher, PYTHON, str(_PROGRAM), str(self.port), "--host", self._host, *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", "the RTSP server did not start"

    def stop(self) -> None:
        """Kill it, as a loss of power does; harmless when it is off."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                process.kill()

    def command(self, text: str) -> None:
        """Send one command, see `rtsp_program`."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def pause(self) -> None:
        """Stop its process without closing its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
