"""The demo on real photographs: their roles, detectors, outcome, ground truth."""
