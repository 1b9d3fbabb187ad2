"""What a failed handshake is called."""

import ssl

from messaging.tls.connections import tls_fault


def _raised_while_handling(first: BaseException, second: BaseException) -> BaseException:
    try:
        try:
            raise first
        except BaseException:
            raise second  # noqa: B904  # the context is what is tested
    except BaseException as error:
        return error


def test_a_reset_while_more_bytes_were_awaited_is_no_fault_of_tls() -> None:
    reset = _raised_while_handling(ssl.SSLWantReadError("did not complete (read)"), ConnectionResetError())
    assert tls_fault(reset) is None


def test_a_refusal_is_found_among_the_causes_of_an_error() -> None:
    refused = ssl.SSLError(1, "unknown ca")
    refused.reason = "TLSV1_ALERT_UNKNOWN_CA"
    assert tls_fault(_raised_while_handling(refused, OSError())) == (
        "the client certificate is of another authority"
    )
