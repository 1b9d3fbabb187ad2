"""Damage to the files of a stream on the disk of a broker that is stopped."""

from collections.abc import Callable
from pathlib import Path

Change = Callable[[bytes], bytes | None]
"""The content afterwards; None: the file is gone."""


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 40]) + data[middle + 40 :]


def _one_bit(data: bytes) -> bytes:
    """One bit of the last quarter, in the text of a message."""
    place = len(data) * 87 // 100
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 5 // 6]


def _zeroed(data: bytes) -> bytes:
    return bytes(len(data))


def _empty(data: bytes) -> bytes:
    return b""


def _gone(data: bytes) -> None:
    return None


DAMAGE: dict[str, tuple[tuple[str, Change], ...]] = {
    "block, bytes flipped": (("msgs/*.blk", _flipped),),
    "block, one bit": (("msgs/*.blk", _one_bit),),
    "block, tail cut off": (("msgs/*.blk", _cut),),
    "block, tail cut off and no index": (("msgs/*.blk", _cut), ("msgs/index.db", _gone)),
    "block, zeroed": (("msgs/*.blk", _zeroed),),
    "block, empty": (("msgs/*.blk", _empty),),
    "block, gone": (("msgs/*.blk", _gone),),
    "index, flipped": (("msgs/index.db", _flipped),),
    "index, gone": (("msgs/index.db", _gone),),
    "stream's settings, flipped": (("meta.inf", _flipped),),
    "stream's settings, gone": (("meta.inf", _gone),),
    "consumer, flipped": (("obs/*/o.dat", _flipped),),
    "consumer, zeroed": (("obs/*/o.dat", _zeroed),),
    "consumer, gone": (("obs/*/o.dat", _gone),),
}
"""Kinds of damage, each to files of a stream, by patterns of names."""


def damage(folder: Path, stream: str, kind: str) -> None:
    """Damage a stream in the folder of a broker (`hub` or a site's name) so."""
    (stream_folder,) = (folder / "store").rglob(f"streams/{stream}")
    for pattern, change in DAMAGE[kind]:
        files = list(stream_folder.glob(pattern))
        assert files, f"no {pattern} in {stream_folder}"
        for file in files:
            after = change(file.read_bytes())
            if after is None:
                file.unlink()
            else:
                file.write_bytes(after)
