"""One video file as a feed."""

import time
from collections.abc import Callable
from pathlib import Path

from edge.camera.capture import Image
from edge.camera.container_ends import FileEnd, file_end
from edge.camera.settled_files import FileVersion
from edge.errors import SourceError
from edge.vision.video_files import FALLBACK_FPS, VideoFile

_RECENT_S = 30.0
_WATCH_S = 2.0


class VideoFeed:
    """A video file; its frames have the container's times unless `fps` overrides them."""

    def __init__(
        self,
        path: Path,
        fps: float | None = None,
        *,
        utc: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises `SourceError` at once when the file cannot be read, or is still being written."""
        self.ended: str | None = None
        self.time_s: float | None = None
        self._path, self._wanted_fps, self._utc, self._wait = path, fps, utc, wait
        self._file: VideoFile | None = None
        self._undecoded = 0
        self.fps = fps or FALLBACK_FPS
        self.open()
        self.close()

    @property
    def decode_errors(self) -> int:
        """Frames since the feed was made that are damaged or cut off."""
        return self._undecoded + (self._file.decode_errors if self._file is not None else 0)

    def open(self) -> None:
        """Begin at the first frame. Raises `SourceError`."""
        self.close()
        self._refuse_while_written()
        self._file = VideoFile(self._path)

    def read(self) -> Image | None:
        """The next frame, None at the end of the file. Raises `SourceError`."""
        if self._file is None:
            raise SourceError("the feed is closed; open it before reading")
        found = self._file.read()
        if found is None:
            missing = self._file.missing
            self.ended = f"video {self._path} ended after {self._file.frames} frames" + (
                f"; {missing} more that its header counts are damaged or cut off" if missing else ""
            )
            return None
        if not self._wanted_fps:
            self.time_s, self.fps = found.time_s, self._file.fps
        return found.image

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._undecoded += self._file.decode_errors
            self._file.close()
            self._file = None

    def _refuse_while_written(self) -> None:
        """Raise `SourceError` for a file without its end that changes within two seconds."""
        try:
            before = FileVersion.of(self._path)
            if file_end(self._path) is not FileEnd.ABSENT or self._utc() - before.mtime_ns / 1e9 > _RECENT_S:
                return
            self._wait(_WATCH_S)
            now = FileVersion.of(self._path)
        except OSError as error:
            raise SourceError(f"video {self._path} cannot be read ({error.strerror or error})") from None
        if now != before:
            raise SourceError(
                f"video {self._path} is still being written ({now.length_bytes} bytes, no end yet); "
                "try again when it is complete"
            )
