"""The pure part of the edge: detections, detectors, condition tags, prototypes. No camera, no network."""

import os

# Before its import: from version 1.29 on, ONNX Runtime sends usage data to its maker by default.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
