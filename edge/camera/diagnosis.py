"""Why a network camera gives no stream: one connection of our own after OpenCV's has failed.

OpenCV only reports that it could not open an address. One request (RTSP `DESCRIBE`, HTTP `GET`; RFC 2326 and
9110, authentication of RFC 7616) distinguishes an unknown name, a closed port, a silent server, a wrong
password and a wrong path. Results are ends of a sentence and hold no part of the address.
"""

import hashlib
import re
import secrets
import socket
import ssl
import time
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.quoting import url_host

_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}
_HEAD_LIMIT = 65_536
_STATUS = re.compile(rb"(?:RTSP|HTTP|ICY)(?:/\d(?:\.\d)?)? (\d{3})")
_CHALLENGE = re.compile(rb"^WWW-Authenticate:[ \t]*(Basic|Digest)\b(.*)$", re.IGNORECASE | re.MULTILINE)
_PARAMETER = re.compile(r'([a-z]+)=(?:"([^"]*)"|([^\s,]+))', re.IGNORECASE)
_HASHES = {"": "md5", "MD5": "md5", "SHA-256": "sha256"}
_ENDS = {
    401: "refuses the user or the password (401); correct them in `source`",
    403: "does not allow this user (403); give the user the right to view, or another user in `source`",
    404: "has no stream at this path (404); correct the path in `source`",
    454: "has no stream at this path (454); correct the path in `source`",
}


class _NoAnswer(Exception):
    """The peer was silent, or closed without a word; the text is the end of the sentence."""


@dataclass(frozen=True)
class _Peer:
    scheme: str
    host: str
    port: int
    address: str
    target: str
    user: str | None
    password: str

    @property
    def encrypted(self) -> bool:
        return self.scheme in {"rtsps", "rtmps", "https"}


def why_no_stream(address: str, timeout_s: float) -> str:
    """The end of a sentence that begins with the camera; returns within about `timeout_s` seconds."""
    peer = _peer(address)
    if peer is None:
        return "gives no stream; check its address, and that this OpenCV was built with SRT"
    deadline_s = time.monotonic() + timeout_s
    try:
        return _asked(peer, timeout_s, deadline_s)
    except _NoAnswer as end:
        return str(end)
    except socket.gaierror:
        return "has a host name that is not known here; correct it, or give the IP address"
    except ConnectionRefusedError:
        return "refuses the connection; check the port, and that the camera is on"
    except TimeoutError:
        return f"does not answer within {timeout_s:g} s; check its power, the network and its address"
    except ssl.SSLError:
        return f"does not speak TLS; check the port, or use {peer.scheme[:-1]}"
    except (OSError, UnicodeError) as error:
        reason = os_error_sentence(error) if isinstance(error, OSError) else "its host name is malformed"
        return f"cannot be reached: {reason}"


def _peer(address: str) -> _Peer | None:
    parts = urlsplit(address)
    if parts.scheme not in _PORTS:
        return None
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    place = f"{url_host(host)}:{port}"
    bare = f"{parts.scheme}://{place}{path}"
    target = bare if parts.scheme.startswith("rtsp") else path
    user = None if parts.username is None else unquote(parts.username)
    return _Peer(parts.scheme, host, port, place, target, user, unquote(parts.password or ""))


def _asked(peer: _Peer, timeout_s: float, deadline_s: float) -> str:
    if peer.scheme.startswith("rtmp"):
        with _connected(peer, timeout_s, deadline_s):
            return "accepts the connection, but gives no stream; check the path and the key in `source`"
    status, head = _answer(peer, None, timeout_s, deadline_s)
    if status == 401 and peer.user is None:
        return "asks for a user and a password (401); add them to `source`"
    if status == 401:
        status, _ = _answer(peer, _credential(peer, head), timeout_s, deadline_s)
    if status < 400:
        return "answers, but sends no video that can be decoded; let it send H.264, H.265 or MJPEG"
    return _ENDS.get(status, f"answers with the error {status}; read the camera's own log")


def _connected(peer: _Peer, timeout_s: float, deadline_s: float) -> socket.socket:
    plain = socket.create_connection((peer.host, peer.port), max(deadline_s - time.monotonic(), 0.1))
    if not peer.encrypted:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # as FFmpeg: cameras sign their own
    try:
        return context.wrap_socket(plain, server_hostname=peer.host)
    except TimeoutError:
        plain.close()
        raise _NoAnswer(_silence(timeout_s)) from None
    except Exception:
        plain.close()
        raise


def _answer(peer: _Peer, credential: str | None, timeout_s: float, deadline_s: float) -> tuple[int, bytes]:
    """Status and head of the answer to one request. Raises `_NoAnswer` and `OSError`."""
    lines = [f"{_method(peer)} {peer.target} {'RTSP/1.0' if _method(peer) == 'DESCRIBE' else 'HTTP/1.0'}"]
    lines += (
        ["CSeq: 1", "Accept: application/sdp"] if _method(peer) == "DESCRIBE" else [f"Host: {peer.address}"]
    )
    lines += [f"Authorization: {credential}"] if credential else []
    head = b""
    with _connected(peer, timeout_s, deadline_s) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in head and len(head) < _HEAD_LIMIT:
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise _NoAnswer(_silence(timeout_s))
            connection.settimeout(remaining_s)
            try:
                received = connection.recv(4096)
            except TimeoutError:
                raise _NoAnswer(_silence(timeout_s)) from None
            if not received:
                break
            head += received
    found = _STATUS.match(head)
    if found is None:
        raise _NoAnswer(f"answers, but not in {peer.scheme.upper()}; check the scheme and the port")
    return int(found[1]), head


def _silence(timeout_s: float) -> str:
    return f"accepts the connection, but sends nothing within {timeout_s:g} s; restart the camera"


def _method(peer: _Peer) -> str:
    return "DESCRIBE" if peer.scheme.startswith("rtsp") else "GET"


def _credential(peer: _Peer, head: bytes) -> str | None:
    """The value of `Authorization` for the challenges in an answer; digest before basic."""
    found = {scheme.lower(): text.decode("latin-1") for scheme, text in _CHALLENGE.findall(head)}
    if b"digest" in found:
        return _digest(
            peer, {m[1].lower(): m[2] or m[3] or "" for m in _PARAMETER.finditer(found[b"digest"])}
        )
    if b"basic" in found:
        return f"Basic {b64encode(f'{peer.user}:{peer.password}'.encode()).decode()}"
    return None


def _digest(peer: _Peer, challenge: dict[str, str]) -> str | None:
    name = _HASHES.get(challenge.get("algorithm", "").upper())
    if name is None:
        return None

    def hashed(*parts: str) -> str:
        return hashlib.new(name, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    realm, nonce = challenge.get("realm", ""), challenge.get("nonce", "")
    account = hashed(peer.user or "", realm, peer.password)
    request, client = hashed(_method(peer), peer.target), secrets.token_hex(8)
    values = {"username": peer.user or "", "realm": realm, "nonce": nonce, "uri": peer.target}
    unquoted = ""
    if "auth" in challenge.get("qop", "").split(","):
        values |= {"cnonce": client, "response": hashed(account, nonce, "00000001", client, "auth", request)}
        unquoted = ", qop=auth, nc=00000001"
    else:
        values |= {"response": hashed(account, nonce, request)}
    if "algorithm" in challenge:
        unquoted += f", algorithm={challenge['algorithm']}"
    return "Digest " + ", ".join(f'{key}="{value}"' for key, value in values.items()) + unquoted
