"""Arguments of the programs of this package that open a generator: `synth.run` and `synth.contact_sheet`."""

import argparse
from pathlib import Path
from typing import get_args

from synth.generation.generated_backgrounds import open_backgrounds
from synth.generation.generator import Generator
from synth.generation.options import DEFAULT_OPTIONS, Streets, read_options
from synth.order import Sampling
from synth.planning.backgrounds import Backgrounds
from synth.planning.vocabulary import SHIPPED_VOCABULARY, Vocabulary, read_vocabulary


def add_generator_arguments(parser: argparse.ArgumentParser) -> None:
    """The generator with its options, where backgrounds come from, and the words of prompts."""
    parser.add_argument("--generator", help="model folder, or HUB/ID@COMMIT; the bundled one if absent")
    parser.add_argument("--options", type=Path, help="JSON file of the generator's options, device for one")
    parser.add_argument("--licence", default="unknown", help="licence of a hub model, for its card")
    parser.add_argument("--backgrounds", type=Path, help="folder of hazard-free images; else streets")
    parser.add_argument(
        "--streets",
        choices=get_args(Streets),
        default="auto",
        help="without --backgrounds: generated from words, drawn, or what fits the generator",
    )
    parser.add_argument(
        "--prompts", type=Path, help="YAML of the words of prompts; the shipped one if absent"
    )


def open_inputs(given: argparse.Namespace, sampling: Sampling) -> tuple[Generator, Backgrounds, Vocabulary]:
    """What these arguments name. Raises `SynthesisError`."""
    vocabulary = read_vocabulary(given.prompts or SHIPPED_VOCABULARY)
    generator = open_generator(given, sampling)
    return generator, open_backgrounds(given.backgrounds, given.streets, generator, vocabulary), vocabulary


def open_generator(given: argparse.Namespace, sampling: Sampling) -> Generator:
    """The generator alone; imports torch. Raises `SynthesisError`."""
    options = DEFAULT_OPTIONS if given.options is None else read_options(given.options)
    from synth.generation.stable_diffusion import DiffusionGenerator

    return DiffusionGenerator.from_name(
        given.generator, licence=given.licence, sampling=sampling, options=options
    )
