"""A camera behind an address or a device, opened, read and closed with OpenCV; images (h, w, 3) uint8 BGR."""

import os

import cv2
import numpy as np

from edge.camera.capture import Image
from edge.camera.diagnosis import why_no_stream
from edge.errors import SourceError, UndecodableImage
from edge.source_address import SourceAddress, SourceKind
from messaging.runtime.addresses import masked_address


class CameraFeed:
    """A live camera; `open` and `read` return within about `timeout_s` even when it is silent."""

    def __init__(self, address: SourceAddress, timeout_s: float) -> None:
        self._address, self._timeout_ms = address, int(1000 * timeout_s)
        self._capture: cv2.VideoCapture | None = None

    def open(self) -> None:
        """Connect. Raises `SourceError` when the camera does not answer."""
        try:
            capture = self._opened()
        except cv2.error as error:
            raise SourceError(f"camera {self._name} cannot be opened: OpenCV reports {error.err}") from None
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"camera {self._name} {self._why()}")
        self._capture = capture

    def read(self) -> Image | None:
        """The next image, None when the camera stopped sending. Raises `SourceError`."""
        if self._capture is None:
            raise SourceError("the feed is closed; open it before reading")
        try:
            good, image = self._capture.read()
            if not good or image is None:
                return None
            grey = image.ndim == 2
            return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if grey else image, np.uint8)
        except cv2.error as error:
            raise UndecodableImage(
                f"camera {self._name} cannot be decoded: OpenCV reports {error.err}"
            ) from None

    def close(self) -> None:
        """Disconnect."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    @property
    def _name(self) -> str:
        text = self._address.text
        return f"usb:{text}" if self._address.kind is SourceKind.USB else masked_address(text, camera=True)

    def _why(self) -> str:
        if self._address.kind is SourceKind.NETWORK:
            return why_no_stream(self._address.text, self._timeout_ms / 1000)
        return "cannot be opened; check that it is plugged in, free, and that this user may read it"

    def _opened(self) -> cv2.VideoCapture:
        address = self._address
        if address.kind is SourceKind.USB:
            return cv2.VideoCapture(int(address.text))
        if address.kind is SourceKind.DEVICE:
            return cv2.VideoCapture(os.path.realpath(address.text), cv2.CAP_V4L2)
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        return cv2.VideoCapture(
            address.text, cv2.CAP_FFMPEG, [v for k in limits for v in (k, self._timeout_ms)]
        )
