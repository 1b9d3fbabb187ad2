"""The seam between files and sources: a feed of images, opened, read and closed.

A feed blocks its caller and uses no threads; `edge.camera.sources` paces it and opens it again. Images are
(h, w, 3) uint8 BGR.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

IMAGE_FPS = 5.0


class Feed(Protocol):
    """Images one after the other."""

    @property
    def fps(self) -> float:
        """Images per second where they have no times of their own."""

    @property
    def time_s(self) -> float | None:
        """Time of the last image on the medium's own scale in seconds; None where it gives none."""

    @property
    def ended(self) -> str | None:
        """One sentence on why the last pass ended."""

    @property
    def decode_errors(self) -> int:
        """Images since the feed was made that could not be decoded."""

    def open(self) -> None:
        """Begin a pass. Raises `SourceError` naming the input."""

    def read(self) -> Image | None:
        """The next image, None at the end of the pass. Raises `SourceError`."""

    def close(self) -> None:
        """Let go of the file; harmless when closed."""
