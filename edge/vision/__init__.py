"""The pure part of the edge: detections, detectors, condition tags, prototypes. No camera, no network."""
