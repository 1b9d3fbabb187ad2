"""What can go wrong between an order and a labelled set.

messaging.errors.BlindspotError
└── SynthesisError
    ├── OrderRefused            the order contradicts itself or asks for what no generator here can paint
    ├── GeneratorUnavailable    the model's folder is absent or incomplete, or its hub is out of reach
    ├── BackgroundsMissing      no hazard-free scene to paint into
    ├── LabelledSetBroken       a labelled set on disk does not match its manifest
    └── SynthesisStopped        the caller asked a run to stop; what is done is kept
"""

from messaging.errors import BlindspotError


class SynthesisError(BlindspotError):
    """Root of synth's own errors."""


class OrderRefused(SynthesisError):
    """A synthesis order that cannot be carried out as written."""


class GeneratorUnavailable(SynthesisError):
    """The generator's model cannot be loaded; the message says which and how to give a folder."""


class BackgroundsMissing(SynthesisError):
    """There is no background for the wanted condition."""


class LabelledSetBroken(SynthesisError):
    """Files of a labelled set are missing or have another digest than the manifest says."""


class SynthesisStopped(SynthesisError):
    """A run was asked to stop before its end; run the order again with the same folder to go on."""
