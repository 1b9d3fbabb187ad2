"""Addresses of sources: known schemes in any case, everything else refused by a sentence without secrets."""

import pytest

from edge.source_address import SourceKind, parse_source

SCHEMES = "rtsp, rtsps, rtmp, rtmps, http, https, srt"
KNOWN = f"known are {SCHEMES}, usb:N, /dev/videoN, or the path of a file or folder"


@pytest.mark.parametrize(
    ("text", "kind", "opened"),
    [
        ("rtsp://10.0.0.5/s", SourceKind.NETWORK, "rtsp://10.0.0.5/s"),
        ("RTSP://Admin:Pa@10.0.0.5:554/S?x=Y", SourceKind.NETWORK, "rtsp://Admin:Pa@10.0.0.5:554/S?x=Y"),
        ("Rtsps://cam/s", SourceKind.NETWORK, "rtsps://cam/s"),
        ("rtmp://cam/app/key", SourceKind.NETWORK, "rtmp://cam/app/key"),
        ("RTMPS://cam/app/key", SourceKind.NETWORK, "rtmps://cam/app/key"),
        ("HTTP://[::1]:8080/mjpg", SourceKind.NETWORK, "http://[::1]:8080/mjpg"),
        ("https://cam/mjpg", SourceKind.NETWORK, "https://cam/mjpg"),
        ("SRT://cam:9000?mode=caller", SourceKind.NETWORK, "srt://cam:9000?mode=caller"),
        (" rtsp://cam/s\n", SourceKind.NETWORK, "rtsp://cam/s"),
        ("usb:0", SourceKind.USB, "0"),
        ("USB:02", SourceKind.USB, "2"),
        ("/dev/video0", SourceKind.DEVICE, "/dev/video0"),
        ("/dev/v4l/by-id/usb-cam", SourceKind.DEVICE, "/dev/v4l/by-id/usb-cam"),
        ("/media/street.mp4", SourceKind.PATH, "/media/street.mp4"),
        ("footage", SourceKind.PATH, "footage"),
        ("C:\\footage\\a.mp4", SourceKind.PATH, "C:\\footage\\a.mp4"),
        ("/media/10:30.mp4", SourceKind.PATH, "/media/10:30.mp4"),
        ("gate:morning.mp4", SourceKind.PATH, "gate:morning.mp4"),
    ],
)
def test_known_sources_are_read_without_regard_to_the_case_of_the_scheme(
    text: str, kind: SourceKind, opened: str
) -> None:
    address = parse_source(text)
    assert (address.kind, address.text) == (kind, opened)
    assert address.is_camera is (kind is not SourceKind.PATH)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rtps://a:geheim@cam/s", f"source rtps: is no known scheme; did you mean rtsp? {KNOWN}"),
        ("htp://a:geheim@cam/s", f"source htp: is no known scheme; did you mean http? {KNOWN}"),
        ("ubs:0", f"source ubs: is no known scheme; did you mean usb? {KNOWN}"),
        ("ftp://a:geheim@cam/s.mp4", f"source ftp: is no known scheme; {KNOWN}"),
        ("ftp:geheim", f"source ftp: is no known scheme; {KNOWN}"),
        ("onvif://cam/geheim", f"source onvif: is no known scheme; {KNOWN}"),
        (
            "file:///media/a.mp4",
            "source file: is no known scheme; give the path alone, such as /media/street.mp4",
        ),
        ("rtsp:cam/geheim", "source rtsp: needs two slashes, such as rtsp://10.0.0.5/stream"),
        ("usb:", "source usb: needs the number of a device, such as usb:0"),
        ("usb:front", "source usb: needs the number of a device, such as usb:0"),
        ("usb://0", "source usb: needs the number of a device, such as usb:0"),
        ("", f"source is empty; give {KNOWN.removeprefix('known are ')}"),
        ("rtsp://", "source rtsp://… names no host; write it as rtsp://host:port/stream"),
        ("rtsp://a:geheim@/s", "source rtsp://… names no host; write it as rtsp://host:port/stream"),
        (
            "rtsp://cam:99999/geheim",
            "source rtsp://… has no valid host and port; write it as rtsp://host:port/stream, and / : @ in a "
            "password as %2F %3A %40",
        ),
        (
            "rtsp://a:ge/heim@cam/s",
            "source rtsp://… has no valid host and port; write it as rtsp://host:port/stream, and / : @ in a "
            "password as %2F %3A %40",
        ),
        (
            "rtsp://a:12#geheim@cam/s",
            "source rtsp://… has # or ? in its user or password; write # as %23 and ? as %3F",
        ),
        ("rtsp://a:ge heim@cam/s", "source rtsp://… contains white space; write a space as %20"),
    ],
)
def test_any_other_source_is_refused_without_its_secrets(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the sentence is compared as a whole
        parse_source(text)
    assert str(caught.value) == sentence
    assert "geheim" not in sentence
