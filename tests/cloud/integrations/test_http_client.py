"""One request to a real server on loopback: every way in which a target can misbehave is one sentence."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud.integrations import http_client
from cloud.integrations.http_client import HttpRequest, post
from cloud.integrations.outcome import Result, SendOutcome
from tests.support.integrations.city_system import (
    Answer,
    CitySystem,
    city_system,
    cut,
    drip,
    hang,
    rubbish,
    self_signed,
    status,
)


@pytest.fixture
def city() -> Iterator[CitySystem]:
    with city_system() as running:
        yield running


def send(url: str, *, allow_private: bool = True, timeout_s: float = 10.0) -> SendOutcome:
    request = HttpRequest(url, {"Content-Type": "text/plain"}, b"hello")
    return post(request, timeout_s=timeout_s, allow_private=allow_private)


def test_a_request_arrives_as_it_is(city: CitySystem) -> None:
    assert send(city.url + "?a=1") == SendOutcome(Result.DELIVERED, "the target answered 200")
    (got,) = city.got
    assert (got.path, got.body, got.headers["content-type"]) == ("/hazards?a=1", b"hello", "text/plain")


@pytest.mark.parametrize(
    ("answer", "result", "words"),
    [
        (status(204), Result.DELIVERED, "204"),
        (status(500), Result.FAILED, "answered 500"),
        (status(401), Result.FAILED, "check token or secret"),
        (status(422), Result.REFUSED, "refused this message"),
        (hang(20.0), Result.FAILED, "did not answer within 0.4 s"),
        (drip, Result.FAILED, "did not answer within 0.4 s"),
        (rubbish, Result.FAILED, "does not speak HTTP"),
        (cut, Result.FAILED, "does not speak HTTP"),
    ],
    ids=["204", "500", "401", "422", "hangs", "drips", "is no HTTP", "closes"],
)
def test_what_a_target_does_is_one_sentence(
    city: CitySystem, answer: Answer, result: Result, words: str
) -> None:
    city.answer = answer
    began = time.monotonic()
    outcome = send(city.url, timeout_s=0.4 if "0.4 s" in words else 10.0)
    assert outcome.result is result
    assert words in outcome.sentence
    assert time.monotonic() - began < 9.0


def test_a_redirect_is_not_followed(city: CitySystem) -> None:
    with city_system() as elsewhere:
        city.answer = status(307, Location=elsewhere.url)
        outcome = send(city.url)
        assert elsewhere.got == []
    assert outcome.result is Result.FAILED
    assert "is not followed" in outcome.sentence


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_loopback_is_refused_however_it_is_written(city: CitySystem, host: str) -> None:
    url = city.url.replace("127.0.0.1", host)
    outcome = send(url, allow_private=False)
    assert outcome.result is Result.FAILED
    assert "allow_private: true" in outcome.sentence
    assert city.got == []


def test_a_name_that_changes_its_address_after_a_check_reaches_nothing(
    city: CitySystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: public for whoever asks first, loopback for whoever asks again."""
    real, asked = socket.getaddrinfo, []

    def resolve(host: str, port: int, *given: Any, **named: Any) -> list[Any]:
        if host != "rebinding.example":
            return real(host, port, *given, **named)
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    send(city.url.replace("127.0.0.1", "rebinding.example"), allow_private=False, timeout_s=0.2)
    assert city.got == []
    assert len(asked) == 1


def test_of_several_addresses_only_the_allowed_ones_are_tried(
    city: CitySystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(city.url.split(":")[2].split("/")[0])
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("169.254.169.254", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert send(f"http://city.example:{port}/", allow_private=True).result is Result.DELIVERED
    assert "allow_private" in send(f"http://city.example:{port}/", allow_private=False).sentence


def test_a_closed_port_and_an_unknown_name_are_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = send(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert closed.sentence.startswith("the target cannot be reached (")
    unknown = send("http://no-such-host.invalid/", timeout_s=5.0)
    assert unknown.result is Result.FAILED
    assert unknown.sentence.startswith("the target cannot be reached (")


def test_a_server_is_sent_to_only_with_a_certificate_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with city_system(certificate=self_signed(tmp_path)) as city:
        outcome = send(city.url, timeout_s=5.0)
        assert "CERTIFICATE_VERIFY_FAILED" in outcome.sentence
        assert city.got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
        http_client._tls.cache_clear()
        try:
            assert send(city.url, timeout_s=5.0).result is Result.DELIVERED
            other_name = send(city.url.replace("127.0.0.1", "localhost"), timeout_s=5.0)
        finally:
            http_client._tls.cache_clear()
        assert other_name.result is Result.FAILED
        assert len(city.got) == 1


def test_proxies_of_the_environment_are_not_used(city: CitySystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert send(city.url).result is Result.DELIVERED
