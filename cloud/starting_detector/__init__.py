"""The shipped detectors: the one every fleet starts with, the reference (first teacher), the judge.

Reading them needs no torch; `python -m cloud.starting_detector` trains them again.
"""

from pathlib import Path

_HERE = Path(__file__).parent
STARTING_WEIGHTS = _HERE / "weights.safetensors"
REFERENCE_WEIGHTS = _HERE / "reference.safetensors"
TEACHER_WEIGHTS = REFERENCE_WEIGHTS
JUDGE_WEIGHTS = _HERE / "judge.safetensors"


def shipped(path: Path) -> Path | None:
    """A shipped weights file, or None if this installation does not contain it."""
    return path if path.is_file() else None


def shipped_judge() -> Path | None:
    """The independent judge of generated images; the reference detector where no judge is installed."""
    return shipped(JUDGE_WEIGHTS) or shipped(REFERENCE_WEIGHTS)
