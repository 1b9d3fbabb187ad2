"""Parts that cases are made of: images, labelled folders, small detectors, ports and private disks."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tests.support.edge.tiny_bundles import tiny_bundle
from tests.trouble.bench import Bench
from tests.trouble.case import NotPossibleHere

Image = npt.NDArray[np.uint8]
LABEL = "0 0.395833 0.625 0.125 0.25\n"
NAMES = ("fire", "smoke", "pothole")
_lock = threading.Lock()


def street(width: int = 640, height: int = 360, *, seed: int = 1, box: bool = True) -> Image:
    """A plain street with one orange block."""
    chance = np.random.default_rng(seed)
    image = np.full((height, width, 3), (190, 170, 150), np.uint8)
    image[height // 2 :] = 80
    image = np.clip(image.astype(int) + chance.integers(-12, 12, image.shape), 0, 255).astype(np.uint8)
    if box:
        corner = (width // 3 + width // 8, height // 2 + height // 4)
        cv2.rectangle(image, (width // 3, height // 2), corner, (20, 120, 250), -1)
    return image


def encoded(image: Image, suffix: str = ".jpg") -> bytes:
    """The image as the bytes of a file."""
    return cv2.imencode(suffix, image)[1].tobytes()


def put_image(path: Path, *, seed: int = 1, width: int = 640, height: int = 360) -> Path:
    """A street in a file, written aside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".tmp")
    aside.write_bytes(encoded(street(width, height, seed=seed), path.suffix))
    aside.rename(path)
    return path


def labelled(
    folder: Path,
    *,
    images: Sequence[str] = ("cam_0001.jpg",),
    labels: Mapping[str, str | bytes] | None = None,
    classes: object = NAMES,
    seed: int | None = None,
) -> Path:
    """A labelled folder; without `labels` every image has one box. `classes` None: no classes.json."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    if classes is not None:
        data = classes if isinstance(classes, bytes) else json.dumps(classes).encode()
        (folder / "classes.json").write_bytes(data)
    first = sum(folder.name.encode()) if seed is None else seed
    for number, name in enumerate(images):
        suffix = Path(name).suffix.lower()
        (folder / "images" / name).write_bytes(encoded(street(320, 180, seed=first + number), suffix))
    rows = {f"{Path(name).stem}.txt": LABEL for name in images} if labels is None else labels
    for name, row in rows.items():
        path = folder / "labels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row if isinstance(row, bytes) else row.encode())
    return folder


def gigapixel_png(side: int = 40000) -> bytes:
    """A few hundred bytes that claim a square of 1-bit pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (side // 8 + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def huge_jpeg() -> bytes:
    """A JPEG whose header claims 65,000 by 65,000 pixels."""
    data = bytearray(encoded(street(64, 48)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65000, 65000)
    return bytes(data)


def bundle(bench: Bench) -> Path:
    """A detector bundle of a few kilobytes, shared by all cases."""
    path = bench.shared / "tiny.onnx"
    with _lock:
        if not path.exists():
            path.write_bytes(tiny_bundle())
    return path


def free_port() -> int:
    """A TCP port of the loopback interface that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def taken_port(bench: Bench, port: int = 0) -> int:
    """A port on which a foreign program listens until the case ends."""
    listener = socket.create_server(("127.0.0.1", port))
    bench.afterwards(listener.close)
    return int(listener.getsockname()[1])


def small_disk(bench: Bench, megabytes: float, *, read_only: bool = False) -> Path:
    """A disk of its own with a folder `have`, unmounted when the case ends. `NotPossibleHere` unless root."""
    if os.geteuid() != 0:
        raise NotPossibleHere("only root can mount a small disk")
    place = bench.folder / "disk"
    place.mkdir()
    size = f"size={int(megabytes * 2**20)}"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        raise NotPossibleHere("a small disk (tmpfs) cannot be mounted")
    bench.afterwards(lambda: _unmount(place))
    (place / "have").mkdir()
    if read_only:
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    return place


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def ffmpeg(bench: Bench, *arguments: object) -> None:
    """Run ffmpeg. `NotPossibleHere` where it is not installed."""
    if shutil.which("ffmpeg") is None:
        raise NotPossibleHere("ffmpeg is not installed")
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, cwd=bench.folder, check=True, timeout=60, stdin=subprocess.DEVNULL)


_making: dict[Path, threading.Lock] = {}


@contextlib.contextmanager
def made_once(path: Path) -> Iterator[bool]:
    """Hold the lock of a shared part; yields whether it is still missing."""
    with _lock:
        lock = _making.setdefault(path, threading.Lock())
    with lock:
        yield not path.exists()


def handed_folder(bench: Bench, script: str, *before: object, last: str | None = None) -> Path:
    """The folder that a handed script makes; made once, for cases that only read it."""
    folder = bench.shared / script.partition("_")[0]
    with made_once(folder / ".made") as missing:
        if missing:
            bench.handed(script, *before, folder, *([last] if last else []))
            (folder / ".made").touch()
    return folder
