"""The only door to ultralytics: weights become a torch network and come back, and the network is trained.

Networks are built from the architecture's description that ultralytics ships; tensors come from our own
safetensors files. Telemetry, auto-install and downloads are off before the library is imported; nothing is
written but what the caller names. Nothing here judges, signs or promotes.
"""

import os

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_VERBOSE", "false")

from collections.abc import Iterable, Mapping, Sequence  # noqa: E402  # the switches above come first
from pathlib import Path  # noqa: E402
from types import SimpleNamespace  # noqa: E402

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import torch  # noqa: E402
from ultralytics.nn.tasks import DetectionModel  # noqa: E402
from ultralytics.utils import SETTINGS  # noqa: E402

from cloud.detector_weights import (  # noqa: E402
    FEATURE_TAPS,
    FROZEN_LAYERS,
    DetectorWeights,
    half_exact,
)
from cloud.errors import WeightsRefused  # noqa: E402
