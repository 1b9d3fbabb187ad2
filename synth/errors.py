"""Errors between a synthesis order and a labelled set.

messaging.errors.BlindspotError
└── SynthesisError
    ├── OrderRefused            the order contradicts itself or cannot be carried out with these judges
    ├── GeneratorUnavailable    the model's folder is absent or incomplete, or its hub is out of reach
    ├── BackgroundsMissing      no hazard-free scene to inpaint
    ├── LabelledSetBroken       a labelled set on disk does not match its manifest
    │   └── LabelledSetFileLost  a file of it is missing, empty or cut; running the order again makes it
    └── SynthesisStopped        the caller requested a stop; finished images are kept
"""

from messaging.errors import BlindspotError


class SynthesisError(BlindspotError):
    """Root of synth's own errors."""


class OrderRefused(SynthesisError):
    """A synthesis order that cannot be carried out as written."""


class GeneratorUnavailable(SynthesisError):
    """The generator's model cannot be loaded; the message names it and how to give a folder."""


class BackgroundsMissing(SynthesisError):
    """There is no background for the wanted condition."""


class LabelledSetBroken(SynthesisError):
    """Files of a labelled set are missing or differ from the digests in its manifest."""


class LabelledSetFileLost(LabelledSetBroken):
    """A file of a labelled set is missing or empty, or its manifest is cut; the order makes it again."""


class SynthesisStopped(SynthesisError):
    """A stop was requested before the end of a run; run the order with the same folder to continue."""
