"""Media seconds of the images of files: the medium's own times where it has some, otherwise by its rate.

The seconds never go backwards and continue over a loop and from segment to segment. No clock is read.
"""

from edge.vision.video_files import MAX_STEP_S

# Images whose names give the same second follow one another by this.
_SAME_TIME_S = 0.04


class FileTimeline:
    """The seconds of one feed's images, the first at 0."""

    def __init__(self) -> None:
        self._at_s: float | None = None
        self._fps = 1.0
        self._own_s: float | None = None
        self._offset_s = 0.0

    def next_s(self, own_s: float | None, fps: float) -> float:
        """Seconds of the next image.

        `own_s` is its time on the medium's scale; a time that is earlier than the one before, or an hour or
        more later, begins another scale, one image after the image before.
        """
        before_s, before_own_s = self._at_s, self._own_s
        at_s = 0.0 if before_s is None else before_s + 1 / self._fps
        if own_s is not None and before_s is not None and before_own_s is not None:
            if own_s == before_own_s:
                at_s = before_s + min(_SAME_TIME_S, 1 / self._fps)
            elif 0 < own_s - before_own_s < MAX_STEP_S:
                at_s = max(own_s + self._offset_s, before_s + 1e-3)
        known = own_s is not None and before_own_s is not None and 0 <= own_s - before_own_s < MAX_STEP_S
        if own_s is not None and not known:
            self._offset_s = at_s - own_s
        self._at_s, self._own_s, self._fps = at_s, own_s, fps
        return at_s
