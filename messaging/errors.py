"""The errors of messaging, split by whose fault they are.

BlindspotError                  root of every error of ours; one sentence: what, where, what to do
├── ConfigurationError          the caller's settings or arguments (also: unknown hazard class or tag)
├── StartRefused                a folder, file, port or disk that the program needs is not usable
├── FileFault                   a file that cannot be read, or holds something else than expected
│   └── StateFileBroken         a state file that is empty, cut or from another program
├── MessageRefused              the peer's message: unknown version, over the cap, not on the allow-list
├── WireError                   the broker or the link
│   ├── WireUnavailable         not reachable now; retry the same message id later
│   ├── WireFull                the stream is at its cap; back-pressure, shed by the table's priority
│   └── WireForbidden           the credential does not allow the subject; do not retry
│       └── ConnectionRefused   the server accepts no connection with the credential or certificate
├── BlobError                   a blob is absent, truncated, too long or has another digest
└── TrustError                  signature, threshold, version, expiry, length or digest does not hold
"""


class BlindspotError(Exception):
    """Root of the errors that Blindspot raises; the message names the input and the remedy."""


class ConfigurationError(BlindspotError):
    """Settings or arguments that contradict themselves or name something unknown."""


class StartRefused(BlindspotError):
    """Something that a program needs before it starts is not usable."""


class FileFault(BlindspotError):
    """A file that cannot be read, or whose content is not what is expected there."""


class StateFileBroken(FileFault):
    """A state file that is empty, cut or not a state; it is never taken for one."""


class MessageRefused(BlindspotError):
    """A message that the allow-list, the schema or the size cap does not admit."""


class WireError(BlindspotError):
    """The broker or the link to it failed."""


class WireUnavailable(WireError):
    """The broker cannot be reached now; publish the same message id again later."""


class WireFull(WireError):
    """The stream is at its cap and refuses more (discard new)."""


class WireForbidden(WireError):
    """The credential in use does not allow this subject."""


class ConnectionRefused(WireForbidden):
    """The server accepts no connection with these credentials or certificates."""


class BlobError(BlindspotError):
    """A blob is absent, truncated, longer than allowed, or its digest differs."""


class TrustError(BlindspotError):
    """A release or an order is not trusted; the incumbent stays in service.

    `reason` is the value of the `messaging.reports.SwapReason` that a receipt states.
    """

    def __init__(self, message: str, reason: str = "bad_signature") -> None:
        super().__init__(message)
        self.reason = reason
