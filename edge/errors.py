"""What can go wrong at a site, split by whose fault it is.

messaging.errors.BlindspotError
└── EdgeError
    ├── SourceError             the camera or the file: unreadable, ended, gone (the reader reconnects)
    │   └── UndecodableImage    an image of a live camera that cannot be decoded; it is connected again
    ├── NoLiveFrame             a camera of the live view that gives no frame now
    ├── ImageRefused            an image file that is cut off, too large, damaged or of another format
    ├── DetectorError           inference failed; must not be treated as an empty street
    ├── BundleRefused           a detector bundle that breaks its contract; the incumbent stays
    │   └── UnsafeGraph         it reaches for other files, or for operators that are not standard
    ├── CandidateRefused        a candidate that failed its self-test before the swap; the incumbent stays
    ├── BudgetSpent             the privacy budget of a camera does not allow this release
    └── LedgerBroken            the egress ledger's chain does not hold
"""

from messaging.errors import BlindspotError


class EdgeError(BlindspotError):
    """Root of the edge's own errors."""


class SourceError(EdgeError):
    """A camera, video file or image folder that gives no frames."""


class UndecodableImage(SourceError):
    """An image of a live camera that cannot be decoded; the connection ends with it."""


class NoLiveFrame(EdgeError):
    """There is no image for the live view now; the message names the camera."""


class ImageRefused(EdgeError):
    """An image file that cannot be read as an image; the message names it and a remedy."""


class DetectorError(EdgeError):
    """Inference on a frame failed (time-out, failed session, unreadable input)."""


class BundleRefused(EdgeError):
    """A detector bundle that does not honour the contract of `edge.vision.detector`."""


class UnsafeGraph(BundleRefused):
    """A detector bundle with external data, sparse tensors, own functions or foreign operators."""


class CandidateRefused(EdgeError):
    """A candidate that did not pass its self-test; `reason` is the value of the receipt's `SwapReason`."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class BudgetSpent(EdgeError):
    """Releasing this prototype would pass the camera's privacy budget."""


class LedgerBroken(EdgeError):
    """An entry of the egress ledger was changed, dropped, inserted or reordered."""
