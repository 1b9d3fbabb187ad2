"""What it means that a broker refused a connection, and what to do: one sentence for an operator."""

from pathlib import Path

from messaging.bus import Link
from messaging.nats.credentials import read_credentials
from messaging.tls.connections import tls_fault

_NO_GREETING = "expecting INFO"


def refusal_of(link: Link, error: Exception, now_utc: float) -> tuple[str, bool]:
    """What a failed attempt to connect means, and whether the same files will be refused again."""
    text = str(error) or type(error).__name__
    if "authorization" in text.lower() or "authentication" in text.lower():
        return _refused_credentials(link, now_utc), True
    if (fault := tls_fault(error)) is not None:
        return f"{link.url}: {fault}{_ours(link, fault)}", True
    if link.tls is not None and _NO_GREETING in text:
        return f"{link.url} closes the connection after the handshake{_ours(link, 'client')}", True
    return text, False


def _refused_credentials(link: Link, now_utc: float) -> str:
    """Why the broker refuses the credentials, as far as they show it, and what to do."""
    if link.credentials_path is None:
        return f"{link.url} refused the credentials of {link.name}"
    claims = read_credentials(Path(link.credentials_path)).claims
    why = (
        f"they were valid {claims.valid_until}" if claims.expired(now_utc) else "they are revoked or replaced"
    )
    return (
        f"{link.url} refused the credentials of {link.name} ({why}); run `blindspot sites add` for the site "
        f"in the cloud and copy the new {Path(link.credentials_path).name} to its gate"
    )


def _ours(link: Link, fault: str) -> str:
    """Which of our files to look at."""
    assert link.tls is not None, "only a connection with TLS ends in its handshake"
    if "client" not in fault or link.tls.certificate is None:
        return f"; verified with {link.tls.ca}"
    return (
        f"; that of {link.name} is {link.tls.certificate}, which may be revoked or replaced: run `blindspot "
        "sites add` for the site in the cloud and copy the new one to its gate"
    )
