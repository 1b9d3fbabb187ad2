"""A systemd for tests: process 1 of namespaces of its own, on the machine's real kernel.

It boots no unit of this machine. Its network is a loopback that has the addresses of the test; `/etc` is an
overlay and `/var/lib` empty, so that users and files made inside are gone with it. `/opt/blindspot` has the
programs of this tree, where no unit's `ProtectHome` or `PrivateTmp` hides them.
"""

import errno
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from messaging.nats.broker import find_server
from tests.support.waiting import wait_until

TREE = Path(__file__).parents[2]
SYSTEMD = Path("/usr/lib/systemd/systemd")
_TOOLS = ("unshare", "nsenter", "ip", "useradd", "setpriv", "systemctl")
_TARGETS = ("sysinit", "basic", "shutdown", "multi-user", "network", "network-online", "machine")
_BOOT = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys
[ -d /sys/fs/cgroup ] && mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd /run/etc/upper /run/etc/work
cp -r "$FOLDER/units" /run/systemd/system
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir -p /opt/blindspot/source /opt/blindspot/packages /opt/blindspot/python
mount --bind "$TREE" /opt/blindspot/source
mount --bind "$PACKAGES" /opt/blindspot/packages
mount --bind "$PYTHON" /opt/blindspot/python
cp -r "$FOLDER/bin" /opt/blindspot/bin
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir /var/lib/blindspot
mount --bind "$FOLDER/state" /var/lib/blindspot
ip link set lo up
for address in $ADDRESSES; do ip address add "$address" dev lo; done
exec env -i PATH="$PATH" container=test SYSTEMD_UNIT_PATH=/run/systemd/system \\
    "$SYSTEMD" --system --unit=machine.target --show-status=no --log-target=null
"""


def missing_for_systemd() -> str | None:
    """A sentence that names what this machine lacks for a systemd of its own, or None."""
    if os.geteuid() != 0:
        return "namespaces and mounts of a systemd need root"
    if not SYSTEMD.exists():
        return f"there is no {SYSTEMD}; Debian's package systemd has it"
    if absent := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        return f"{', '.join(absent)} is not installed"
    if _cgroups() is None:
        return "no control groups of version 2 (cgroup2) are mounted where they can be written"
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--cgroup", "--fork", "true"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return f"no namespaces here: {done.stderr.strip()}" if done.returncode else None


def _cgroups() -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        place, kind = line.split()[1:3]
        if kind == "cgroup2" and os.access(place, os.W_OK):
            return Path(place)
    return None


class SystemdMachine:
    """The machine that runs. `state` is its `/var/lib/blindspot`."""

    def __init__(self, folder: Path, process_id: int) -> None:
        self._process_id = process_id
        self.state = folder / "state"

    def inside(self, *command: str | Path) -> list[str]:
        """The command line that runs a command inside, as root and outside of every unit."""
        return ["nsenter", f"--target={self._process_id}", "--all", "--", *map(str, command)]

    def in_network(self, *command: str | Path) -> list[str]:
        """The command line that runs a command of this machine in the network of the other."""
        return ["nsenter", f"--net=/proc/{self._process_id}/ns/net", "--", *map(str, command)]

    def run(self, *command: str | Path, timeout_s: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """Run a command inside to its end."""
        return subprocess.run(
            self.inside(*command), capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def checked(self, *command: str | Path) -> str:
        """Output of a command that must succeed."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def put_unit(self, path: str, text: str) -> None:
        """Write a unit, or a drop-in, and have it read. `path`: below the folder of units."""
        place = Path(f"/proc/{self._process_id}/root/run/systemd/system") / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        self.checked("systemctl", "daemon-reload")

    def remove_unit(self, path: str) -> None:
        """Remove what `put_unit` wrote."""
        (Path(f"/proc/{self._process_id}/root/run/systemd/system") / path).unlink()
        self.checked("systemctl", "daemon-reload")

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.checked("systemctl", "show", f"--property={name}", "--value", unit).strip()

    def log(self, unit: str) -> str:
        """What the processes of a unit have written."""
        path = self.state / "log" / f"{unit}.service"
        return path.read_text(errors="replace") if path.exists() else ""

    def has_filter(self) -> bool:
        """Whether the kernel filters by control group (CGROUP_BPF): whether systemd counts a unit's bytes."""
        self.put_unit("counted.service", "[Service]\nIPAccounting=yes\nExecStart=sleep infinity\n")
        self.checked("systemctl", "start", "counted")
        counted = self.show("counted", "IPEgressBytes").isdecimal()
        self.checked("systemctl", "stop", "counted")
        return counted


@contextmanager
def running_systemd(
    folder: Path, units: Sequence[Path], addresses: Sequence[str]
) -> Iterator[SystemdMachine]:
    """Boot one with these unit files and addresses; `folder` must be on a disk."""
    _write_files(folder, units)
    cgroups = _cgroups()
    assert cgroups is not None
    group = cgroups / f"blindspot-test-{os.getpid()}"
    group.mkdir()
    namespaces = ("--mount", "--pid", "--net", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child")
    join = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
    with (folder / "boot.log").open("wb") as log:
        launcher = subprocess.Popen(
        ["sh", "-c", join, str(group), "unshare", *namespaces, "sh", "-c", _BOOT],
        stdout=log, stderr=log, env={
            "PATH": os.environ["PATH"], "FOLDER": str(folder), "TREE": str(TREE), "SYSTEMD": str(SYSTEMD),
            "PACKAGES": sysconfig.get_paths()["purelib"], "PYTHON": sys.base_prefix,
            "ADDRESSES": " ".join(addresses),
        },
    )  # fmt: skip
    try:
        yield _booted(folder, launcher)
    finally:
        launcher.kill()
        launcher.wait()
        wait_until(lambda: _removed(group), what="the last process of the systemd has ended")


def _removed(group: Path) -> bool:
    """Remove a control group and those below it; False while a process of theirs is left."""
    try:
        for place in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            place.rmdir()
        group.rmdir()
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _write_files(folder: Path, units: Sequence[Path]) -> None:
    for name in ("units/service.d", "bin", "state/log"):
        (folder / name).mkdir(parents=True)
    for name in _TARGETS:
        text = f"[Unit]\nDescription={name}\nDefaultDependencies=no\n"
        (folder / "units" / f"{name}.target").write_text(text)
    log = "append:/var/lib/blindspot/log/%n"
    (folder / "units/service.d/log.conf").write_text(
        f"[Service]\nStandardOutput={log}\nStandardError={log}\n"
    )
    for unit in units:
        shutil.copy(unit, folder / "units")
    shutil.copy(find_server(), folder / "bin" / "nats-server")
    python = (
        "#!/bin/sh\nexport PYTHONPATH=/opt/blindspot/source:/opt/blindspot/packages "
        "LD_LIBRARY_PATH=/opt/blindspot/python/lib PYTHONDONTWRITEBYTECODE=1 PATH=/opt/blindspot/bin:$PATH\n"
        f"exec /opt/blindspot/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    )
    for name, arguments in (("python", '"$@"'), ("blindspot-edge", '-m edge.cli "$@"')):
        program = folder / "bin" / name
        program.write_text(f"{python} {arguments}\n")
        program.chmod(0o755)


def _booted(folder: Path, launcher: "subprocess.Popen[bytes]") -> SystemdMachine:
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children")

    def boots() -> bool:
        assert launcher.poll() is None, f"systemd did not start: {(folder / 'boot.log').read_text()}"
        if not (found := children.read_text().split()):
            return False
        machine = SystemdMachine(folder, int(found[0]))
        return machine.run("systemctl", "is-active", "machine.target").stdout.strip() == "active"

    wait_until(boots, what="systemd has started")
    return SystemdMachine(folder, int(children.read_text().split()[0]))
