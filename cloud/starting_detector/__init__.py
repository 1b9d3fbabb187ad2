"""The shipped detectors: the one every fleet starts with, and the reference detector, which is a judge.

Reading them needs no torch; `python -m cloud.starting_detector` trains them again.
"""

from pathlib import Path

_HERE = Path(__file__).parent
STARTING_WEIGHTS = _HERE / "weights.safetensors"
REFERENCE_WEIGHTS = _HERE / "reference.safetensors"
