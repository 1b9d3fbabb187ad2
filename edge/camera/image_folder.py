"""The images of a folder, or one image, as a feed: natural order, times from names where all have one."""

import logging
from itertools import pairwise
from pathlib import Path

from edge.camera.capture import IMAGE_FPS, Image
from edge.camera.file_names import is_unfinished, name_time_s, natural_key
from edge.errors import ImageRefused, SourceError
from edge.vision.image_files import IMAGE_SUFFIXES, read_image
from edge.vision.video_files import MAX_STEP_S, VIDEO_SUFFIXES
from messaging.runtime.os_errors import os_error_sentence

logger = logging.getLogger(__name__)


class FolderFeed:
    """Images in the order of their names, numbers as numbers; one that cannot be read is counted and named.

    Attributes:
        fps: images per second unless the names of all state times that rise, by less than an hour at once.
        unreadable: images of this pass that were passed over.
        decode_errors: those of all passes.
    """

    def __init__(self, folder: Path, fps: float | None = None) -> None:
        """List the images; ones that are added later are not read. Raises `SourceError` if there is none."""
        self.fps = fps or IMAGE_FPS
        self.ended: str | None = None
        self.time_s: float | None = None
        self.unreadable = self.decode_errors = 0
        self._folder = folder
        self._paths = _images(folder)
        self._times = () if fps else _times_of(self._paths)
        self._next = 0
        self._named: set[Path] = set()
        if not self._times and len(self._paths) > 1:
            logger.info(
                "images of %s: their names state no times; %g per second are assumed", folder, self.fps
            )

    def open(self) -> None:
        """Begin at the first image."""
        self._next, self.unreadable = 0, 0

    def read(self) -> Image | None:
        """The next readable image, None at the end of the folder. Raises `SourceError` if no image is."""
        while self._next < len(self._paths):
            path = self._paths[self._next]
            self.time_s = self._times[self._next] if self._times else None
            self._next += 1
            try:
                return read_image(path)
            except ImageRefused as error:
                self.decode_errors += 1
                if path == self._folder:
                    raise SourceError(str(error)) from None
                self._pass_over(path, error)
        if self.unreadable == len(self._paths):
            raise SourceError(
                f"folder {self._folder} holds {len(self._paths)} images and none can be decoded"
            )
        self.ended = f"folder {self._folder} ended after {len(self._paths) - self.unreadable} images" + (
            f", {self.unreadable} unreadable" if self.unreadable else ""
        )
        return None

    def close(self) -> None:
        """Nothing is held open."""

    def _pass_over(self, path: Path, error: ImageRefused) -> None:
        self.unreadable += 1
        if path not in self._named:
            self._named.add(path)
            logger.warning("passed over: %s", error)


def _images(folder: Path) -> tuple[Path, ...]:
    try:
        found = list(folder.iterdir()) if folder.is_dir() else [folder]
    except OSError as error:
        raise SourceError(f"folder {os_error_sentence(error)}") from None
    images = [p for p in found if p.suffix.lower() in IMAGE_SUFFIXES and not is_unfinished(p)]
    if not images:
        videos = any(p.suffix.lower() in VIDEO_SUFFIXES for p in found)
        raise SourceError(
            f"folder {folder} holds no images; expected {', '.join(IMAGE_SUFFIXES)}"
            + (", or set `segments: true` to play its videos" if videos else "")
        )
    if len(images) < len(found):
        others = sorted(p.name for p in set(found) - set(images))
        logger.info("%d files of %s are no images, such as %s", len(others), folder, others[0])
    return tuple(sorted(images, key=natural_key))


def _times_of(paths: tuple[Path, ...]) -> tuple[float, ...]:
    """The times that the names state, none unless all do and they rise by less than an hour at once."""
    times = [time_s for time_s in map(name_time_s, paths) if time_s is not None]
    clear = len(times) == len(paths) and all(0 <= b - a < MAX_STEP_S for a, b in pairwise(times))
    return tuple(times) if clear and len(set(times)) > 1 else ()
