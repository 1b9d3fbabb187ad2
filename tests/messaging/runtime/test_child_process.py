"""Children end with their parent, leave a log, and can be stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from messaging.runtime.child_process import ChildProcess
from tests.support.waiting import wait_until


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_child_leaves_its_output_in_the_log(tmp_path: Path) -> None:
    child = ChildProcess([sys.executable, "-c", "print('hello')"], log=tmp_path / "a.log")
    assert child.wait(20) == 0
    assert child.tail() == "hello"


def test_stop_ends_a_child_that_ignores_the_first_signal(tmp_path: Path) -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True); time.sleep(60)"
    )
    child = ChildProcess([sys.executable, "-c", program], log=tmp_path / "a.log")
    wait_until(lambda: "up" in child.tail())
    assert child.stop(grace_s=0.2) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_a_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from messaging.runtime.child_process import ChildProcess\n"
        f"log = Path({str(tmp_path / 'c.log')!r})\n"
        "c = ChildProcess([sys.executable, '-c', 'import time; time.sleep(60)'], log=log)\n"
        "print(c.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    )
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_until(lambda: _ended(child))
