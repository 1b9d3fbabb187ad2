"""A wall clock for one program of ours that a test sets while the program runs.

Static programs, such as nats-server, and other processes read the machine's clock.
"""

import os
import time
from pathlib import Path

_AT_START = """import os
import time

_machine, _path = time.time_ns, os.environ["SET_CLOCK"]


def _set_ns():
    with open(_path) as file:
        return _machine() + int(file.read() or 0) * 1_000_000_000


time.time_ns = _set_ns
time.time = lambda: _set_ns() / 1e9
"""


class SetClock:
    """What `time.time` returns in a process, `offset_s` from the machine's; monotonic time is left alone."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._path = folder, folder / "offset"
        (folder / "sitecustomize.py").write_text(_AT_START)
        self.set(0)

    def set(self, offset_s: int) -> None:
        """Set it, also while the process runs."""
        self.offset_s, aside = offset_s, self._path.with_suffix(".new")
        aside.write_text(str(offset_s))
        aside.replace(self._path)

    @property
    def now_utc(self) -> int:
        """What the process reads, seconds since 1970."""
        return int(time.time()) + self.offset_s

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process of Python, and those that it starts, read this clock."""
        modules = os.pathsep.join(filter(None, (str(self._folder), os.environ.get("PYTHONPATH"))))
        return {"PYTHONPATH": modules, "SET_CLOCK": str(self._path)}
