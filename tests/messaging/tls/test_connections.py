"""What a failed handshake is called."""

import ssl

from messaging.tls.connections import tls_fault


def _while_handling(first: BaseException, second: BaseException) -> BaseException:
    """The second error as Python raises it in a handler of the first."""
    second.__context__ = first
    return second


def test_a_reset_while_more_bytes_were_awaited_is_no_fault_of_tls() -> None:
    reset = _while_handling(ssl.SSLWantReadError("did not complete (read)"), ConnectionResetError())
    assert tls_fault(reset) is None


def test_a_refusal_is_found_among_the_causes_of_an_error() -> None:
    refused = ssl.SSLError(1, "unknown ca")
    refused.reason = "TLSV1_ALERT_UNKNOWN_CA"
    assert tls_fault(_while_handling(refused, OSError())) == (
        "the client certificate is of another authority"
    )
