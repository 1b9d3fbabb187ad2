"""The detectors that ship: the one every fleet starts with, and the reference detector that judges.

Reading them needs no torch. Making them again is `python -m cloud.starting_detector`.
"""

from pathlib import Path

_HERE = Path(__file__).parent
STARTING_WEIGHTS = _HERE / "weights.safetensors"
REFERENCE_WEIGHTS = _HERE / "reference.safetensors"
