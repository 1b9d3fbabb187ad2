"""Metrics of detectors on labelled images, and the verdict whether a candidate may be released."""
