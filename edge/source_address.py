"""The address of a camera's source: which kind it is, in the spelling that the decoder takes. No I/O.

A source is a network address, `usb:N`, a device path or the path of a file or folder. Schemes are read
without regard to case; an address whose scheme is unknown is refused here and not taken for a path.
"""

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

NETWORK_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt")
DEVICE_FOLDERS = ("/dev/video", "/dev/v4l/")
KNOWN = f"{', '.join(NETWORK_SCHEMES)}, usb:N, /dev/videoN, or the path of a file or folder"
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+):(//)?")
_OTHER_SCHEMES = ("ftp", "ftps", "sftp", "smb", "file", "data", "rtp", "udp", "tcp", "mms", "mmsh", "onvif")


class SourceKind(StrEnum):
    """Where the frames of a source come from."""

    NETWORK = "network"
    USB = "usb"
    DEVICE = "device"
    PATH = "path"


@dataclass(frozen=True)
class SourceAddress:
    """A valid source. `text` is what OpenCV or the file system takes; for USB it is the device's number."""

    kind: SourceKind
    text: str

    @property
    def is_camera(self) -> bool:
        """Whether it is live, not a file or folder."""
        return self.kind is not SourceKind.PATH


def parse_source(text: str) -> SourceAddress:
    """The address in a text. Raises `ValueError`: one sentence that repeats no part after the scheme."""
    text = text.strip()
    if not text:
        raise ValueError(f"source is empty; give {KNOWN}")
    if text.startswith(DEVICE_FOLDERS):
        return SourceAddress(SourceKind.DEVICE, text)
    found = _SCHEME.match(text)
    if found is None:
        return SourceAddress(SourceKind.PATH, text)
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme == "usb":
        if found[2] or not (rest.isascii() and rest.isdecimal()):
            raise ValueError("source usb: needs the number of a device, such as usb:0")
        return SourceAddress(SourceKind.USB, str(int(rest)))
    if scheme in NETWORK_SCHEMES:
        return SourceAddress(SourceKind.NETWORK, _network_address(scheme, rest, bool(found[2])))
    near = _near(scheme)
    if not found[2] and scheme not in _OTHER_SCHEMES and not near:
        return SourceAddress(SourceKind.PATH, text)  # a colon in the name of a file
    if scheme == "file":
        raise ValueError("source file: is no known scheme; give the path alone, such as /media/street.mp4")
    hint = f"; did you mean {near}?" if near else ";"
    raise ValueError(f"source {scheme}: is no known scheme{hint} known are {KNOWN}")


def _near(scheme: str) -> str | None:
    """The known scheme of the same letters, or else the most similar one."""
    known = (*NETWORK_SCHEMES, "usb")
    swapped = [name for name in known if sorted(name) == sorted(scheme)]
    return next(iter(swapped or difflib.get_close_matches(scheme, known, n=1)), None)


def _network_address(scheme: str, rest: str, slashes: bool) -> str:
    if not slashes:
        raise ValueError(f"source {scheme}: needs two slashes, such as {scheme}://10.0.0.5/stream")
    address = f"{scheme}://{rest}"
    if re.search(r"[\s\x00-\x1f\x7f]", rest):
        raise ValueError(f"source {scheme}://… contains white space; write a space as %20")
    if "@" in rest and re.search(r"[#?]", rest.split("/", maxsplit=1)[0].rpartition("@")[0]):
        raise ValueError(
            f"source {scheme}://… has # or ? in its user or password; write # as %23 and ? as %3F"
        )
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(
            f"source {scheme}://… has no valid host and port; write it as {scheme}://host:port/stream, "
            "and / : @ in a password as %2F %3A %40"
        ) from None
    if not host or port == 0:
        raise ValueError(f"source {scheme}://… names no host; write it as {scheme}://host:port/stream")
    return address
