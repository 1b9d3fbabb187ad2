"""Whole synthesis runs for tests, with the fake generator and detector."""

from pathlib import Path

from synth.order import SynthesisOrder
from synth.planning.backgrounds import DrawnBackgrounds
from synth.run import Judges, run_order
from synth.selection.labelled_set import LabelledSet
from tests.support.synth.fakes import FakeDetector, FakeGenerator
from tests.support.synth.orders import order


def run(out: Path, wanted: SynthesisOrder | None = None, **changes: object) -> LabelledSet:
    """Carry out an order on drawn backgrounds; `changes` replace arguments of `run_order`."""
    parts: dict[str, object] = {
        "generator": FakeGenerator(),
        "backgrounds": DrawnBackgrounds(),
        "judges": Judges(reference=FakeDetector()),
    }
    return run_order(wanted or order(), out=out, **{**parts, **changes})  # type: ignore[arg-type]
