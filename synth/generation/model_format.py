"""What a model folder states about itself besides its weights, in small JSON files.

`input_format.json` states whether the model takes the whole background or one with the masked part removed,
whether dark patches are brightened first (`synth.generation.exposure`), and whether its prompts are those of
`synth.planning.prompts` alone. `sampling.json` states the sampling that it was tuned for.
`prototype_space.json` names the embedding space of the prototypes that it was trained with. A folder without
them is an ordinary Stable Diffusion inpainting model. No library of models is imported here.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messaging.errors import ConfigurationError, FileFault
from messaging.fields import DIGEST_PATTERN
from messaging.runtime.text_files import read_json
from synth.errors import GeneratorUnavailable
from synth.order import Sampling

INPUT_FORMAT_FILE = "input_format.json"
SAMPLING_FILE = "sampling.json"
PROTOTYPE_SPACE_FILE = "prototype_space.json"
STEPS, GUIDANCE = 30, 7.5
_CHOICES = {
    "background": ("removed", "shown"),
    "exposure": ("as taken", "levelled"),
    "prompts": ("free", "closed vocabulary"),
}
_NUMBERS: dict[str, tuple[tuple[type, ...], float, float]] = {
    "steps": ((int,), 1, 1000),
    "guidance": ((int, float), 1.0, 50.0),
    "batch": ((int,), 1, 256),
}
_SPACE_KEY = "embedding_digest"
_SMALL_PX = 128
_SMALL_BATCH, _BATCH_ON_CPU, _BATCH = 16, 1, 4


@dataclass(frozen=True)
class InputFormat:
    """How a model's inputs were prepared in its training, where that differs from other inpainting models.

    Attributes:
        whole_background: the background is not removed inside the mask.
        levelled: dark patches are brightened by `synth.generation.exposure`.
        closed_vocabulary: it knows only the words of `synth.planning.prompts`.
    """

    whole_background: bool = False
    levelled: bool = False
    closed_vocabulary: bool = False

    @classmethod
    def of_file(cls, path: Path) -> "InputFormat":
        """Read `input_format.json` of a model; the defaults when there is no such file.

        Raises `GeneratorUnavailable`.
        """
        fields = _fields(path, tuple(_CHOICES))
        for key, choices in _CHOICES.items():
            if fields.setdefault(key, choices[0]) not in choices:
                raise GeneratorUnavailable(
                    f"{path}: {key} is {' or '.join(choices)}; got {fields[key]!r:.40}"
                )
        return cls(*(fields[key] == choices[1] for key, choices in _CHOICES.items()))


USUAL_FORMAT = InputFormat()


@dataclass(frozen=True)
class SamplingUsed:
    """Sampling with every value decided. `sampler` is None for the model's own."""

    steps: int = STEPS
    guidance: float = GUIDANCE
    batch: int = _BATCH
    sampler: str | None = None
    negative_prompt: str = ""

    @classmethod
    def of_file(cls, path: Path, *, patch_px: int, on_cpu: bool) -> "SamplingUsed":
        """The model's own: those of `sampling.json`, otherwise those usual for a model of this size.

        Raises `GeneratorUnavailable`.
        """
        fields = _fields(path, tuple(_NUMBERS))
        for key, value in fields.items():
            kind, low, high = _NUMBERS[key]
            if type(value) not in kind or not low <= value <= high:
                raise GeneratorUnavailable(
                    f"{path}: {key} is a number from {low} to {high}; got {value!r:.40}"
                )
        usual = _SMALL_BATCH if patch_px <= _SMALL_PX else _BATCH_ON_CPU if on_cpu else _BATCH
        return cls(**{"batch": usual, **fields})

    def changed(self, wanted: Sampling, batch: int | None) -> "SamplingUsed":
        """With the values of an order and of the options where they are given.

        Raises `ConfigurationError` for a negative prompt without guidance.
        """
        guidance = self.guidance if wanted.guidance is None else wanted.guidance
        if wanted.negative_prompt and guidance <= 1.0:
            raise ConfigurationError(
                "negative_prompt has no effect with guidance 1, which is this model's own; set guidance or "
                "remove negative_prompt"
            )
        return SamplingUsed(
            steps=wanted.steps or self.steps,
            guidance=guidance,
            batch=batch or self.batch,
            sampler=wanted.sampler,
            negative_prompt=wanted.negative_prompt,
        )


def prototype_space_of(path: Path) -> str | None:
    """The `embedding_digest` of the prototypes that a model was trained with; None without such a file.

    Raises `GeneratorUnavailable`.
    """
    digest = _fields(path, (_SPACE_KEY,)).get(_SPACE_KEY)
    if digest is not None and not (isinstance(digest, str) and re.fullmatch(DIGEST_PATTERN, digest)):
        raise GeneratorUnavailable(f"{path}: {_SPACE_KEY} is 64 hexadecimal digits; got {digest!r:.80}")
    return digest


def prototype_space_json(digest: str) -> str:
    """The content of `prototype_space.json` for the embedding space with this `embedding_digest`."""
    return json.dumps({_SPACE_KEY: digest}) + "\n"


def _fields(path: Path, known: tuple[str, ...]) -> dict[str, Any]:
    try:
        fields = read_json(path) if path.exists() else {}
    except FileFault as fault:
        raise GeneratorUnavailable(str(fault)) from None
    if not isinstance(fields, dict) or not fields.keys() <= set(known):
        raise GeneratorUnavailable(f"{path} may have the keys {', '.join(known)}; got {fields!r:.80}")
    return fields
