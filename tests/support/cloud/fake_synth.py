"""`python -m tests.support.cloud.fake_synth ORDER.json OUT …`: a whole order with a generator of ellipses."""

import sys
from pathlib import Path

from synth.order import SynthesisOrder
from synth.planning.backgrounds import DrawnBackgrounds
from synth.run import Judges, run_order
from tests.support.synth.fakes import FakeGenerator

if __name__ == "__main__":
    run_order(
        SynthesisOrder.model_validate_json(Path(sys.argv[1]).read_text()),
        out=Path(sys.argv[2]),
        generator=FakeGenerator(),
        backgrounds=DrawnBackgrounds(),
        judges=Judges(),
    )
