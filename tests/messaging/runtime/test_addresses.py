"""No secret of an address is ever printed."""

import io
import logging

import pytest

from messaging.runtime.addresses import MaskedFormatter, masked_address, masked_text, masked_values

SECRET = "geheim"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:geheim@127.0.0.1:9/x", "rtsp://***@127.0.0.1:9/***"),
        ("RTSP://geheim@cam", "RTSP://***@cam"),
        ("rtsp://u:ge@he/im@cam:554/x", "rtsp://***@cam:554/***"),
        ("rtsp://127.0.0.1:9/user=admin_password=geheim_channel=1", "rtsp://127.0.0.1:9/***"),
        ("rtmp://host/live/geheim", "rtmp://host/***"),
        ("srt://host:9?streamid=x&passphrase=geheim", "srt://host:9/***"),
        ("rtsp://[::1]:554/a?token=geheim#x", "rtsp://[::1]:554/***"),
        ("http://127.0.0.1:9/mjpg?user=admin&pwd=geheim", "http://127.0.0.1:9/mjpg?user=***&pwd=***"),
        ("http://h/x?auth=ge/heim_x&b=1", "http://h/x?auth=***&b=***"),
        ("http://h/x;password=geheim?y", "http://h/x;password=***?y"),
        ("https://geheim:geheim@h/a", "https://***@h/a"),
        ("postgresql://u:geheim@h/db?password=geheim", "postgresql://***@h/db?password=***"),
    ],
)
def test_user_part_query_values_and_path_secrets_are_masked(address: str, shown: str) -> None:
    assert masked_address(address) == shown
    assert SECRET not in masked_text(f"camera gate: {address} does not answer ({address!r})")


@pytest.mark.parametrize("text", ["usb:0", "/dev/video0", "clips/night.mp4", "http://127.0.0.1:8080/a@b"])
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert masked_text(text) == text


def test_a_log_record_and_its_traceback_are_masked() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(MaskedFormatter("%(message)s"))
    record_logger = logging.getLogger("test.masked")
    record_logger.addHandler(handler)
    error = OSError("cannot open rtsp://a:geheim@cam/1")
    record_logger.error("camera %s failed", "rtsp://a:geheim@cam/1", exc_info=error)
    record_logger.removeHandler(handler)
    assert SECRET not in stream.getvalue()
    assert "rtsp://***@cam/***" in stream.getvalue()


def test_of_a_camera_the_path_is_masked_with_every_scheme() -> None:
    assert masked_address("http://cam:80/live/geheim?x=1", camera=True) == "http://cam:80/***"
    assert masked_address("/media/street.mp4", camera=True) == "/media/street.mp4"


def test_every_address_in_values_is_masked_whatever_letters_it_has() -> None:
    values = {"url": "nats://u:ge'h\"eim@hub", "cameras": ({"source": "rtsp://a:gehe<im@cam/x"},), "port": 1}
    assert masked_values(values) == {
        "url": "nats://***@hub",
        "cameras": [{"source": "rtsp://***@cam/***"}],
        "port": 1,
    }
