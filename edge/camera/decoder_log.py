"""Silences what OpenCV and FFmpeg print on standard error: it can hold an address with its password."""

import os

import cv2


def silence_decoders() -> None:
    """Print nothing from now on, unless the variables of OpenCV ask for it; before anything is opened.

    FFmpeg reads its variable when the first address or file is opened.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
