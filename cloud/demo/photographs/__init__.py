"""The demo on real photographs: roles of the photographs, detectors, outcome, ground truth."""
