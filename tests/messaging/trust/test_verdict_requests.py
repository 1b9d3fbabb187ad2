"""Verdict requests: the envelope, and what a forged or wrong one is refused for."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from messaging.errors import TrustError
from messaging.trust.envelopes import MAX_ENVELOPE_BYTES
from messaging.trust.keys import SigningKey
from messaging.trust.orders import verify_order
from messaging.trust.verdict_requests import (
    MOST_OPEN,
    OpenRequests,
    VerdictRequest,
    sign_requests,
    verify_requests,
)

LONGEST = "a" * 40
REQUEST = VerdictRequest(
    number=7, camera="bridge", class_name="fire", at_utc=1_800_000_000, expires_at_utc=1_800_000_900
)
REQUESTS = OpenRequests(site="harbour", requests=(REQUEST,))


@pytest.fixture
def director(tmp_path: Path) -> SigningKey:
    return SigningKey.read_or_make(tmp_path / "director.pem")


def test_signed_requests_are_read_back(director: SigningKey) -> None:
    assert verify_requests(sign_requests(REQUESTS, director), director.public, "harbour") == REQUESTS


def test_as_many_requests_as_a_site_may_have_fit_an_envelope(director: SigningKey) -> None:
    longest = tuple(
        VerdictRequest(
            number=2**31 - 1 - n,
            camera=LONGEST,
            class_name=LONGEST,
            at_utc=4_102_444_800,
            expires_at_utc=4_102_444_800,
        )
        for n in range(MOST_OPEN)
    )
    full = OpenRequests(site=LONGEST, requests=longest)
    assert verify_requests(sign_requests(full, director), director.public, LONGEST) == full


def test_requests_of_another_key_are_refused(director: SigningKey, tmp_path: Path) -> None:
    thief = SigningKey.read_or_make(tmp_path / "thief.pem")
    with pytest.raises(TrustError, match="is not signed by key"):
        verify_requests(sign_requests(REQUESTS, thief), director.public, "harbour")


def test_requests_to_another_site_are_refused(director: SigningKey) -> None:
    with pytest.raises(TrustError, match="is of site harbour, not airport"):
        verify_requests(sign_requests(REQUESTS, director), director.public, "airport")


def test_requests_are_no_rollout_order(director: SigningKey) -> None:
    with pytest.raises(TrustError, match="forged or changed"):
        verify_order(sign_requests(REQUESTS, director), director.public)


@pytest.mark.parametrize("envelope", [b"", b"{}", b"[1]", b"not JSON", b"\xff\xfe", b"[" * 8000])
def test_junk_is_refused(envelope: bytes, director: SigningKey) -> None:
    with pytest.raises(TrustError, match="is not an envelope"):
        verify_requests(envelope, director.public, "harbour")


def test_an_envelope_that_is_too_long_is_not_parsed(director: SigningKey) -> None:
    signed = sign_requests(REQUESTS, director)
    assert verify_requests(signed.ljust(MAX_ENVELOPE_BYTES), director.public, "harbour") == REQUESTS
    with pytest.raises(TrustError, match="was not parsed"):
        verify_requests(signed.ljust(MAX_ENVELOPE_BYTES + 1), director.public, "harbour")


def test_the_same_number_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="request 7 is there twice"):
        OpenRequests(site="harbour", requests=(REQUEST, REQUEST))


@pytest.mark.parametrize(
    "change", [{"number": 0}, {"camera": "No Camera"}, {"at_utc": -1}, {"box": [0, 0, 1, 1]}, {"why": "text"}]
)
def test_a_request_has_bounded_fields_and_no_others(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        VerdictRequest.model_validate({**REQUEST.model_dump(), **change})
