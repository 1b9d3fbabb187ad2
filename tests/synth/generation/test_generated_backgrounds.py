"""Streets from words where a deployment has no images: named so, and the same again after a restart."""

from pathlib import Path

import numpy as np
import pytest

from messaging.taxonomy import Condition
from synth.errors import BackgroundsMissing, OrderRefused
from synth.generation.generated_backgrounds import GeneratedBackgrounds, open_backgrounds
from synth.planning.backgrounds import DrawnBackgrounds
from synth.planning.vocabulary import read_vocabulary
from tests.support.synth.fakes import FakeGenerator
from tests.support.synth.orders import order
from tests.support.synth.runs import run

WORDS = read_vocabulary()


class FreeTextGenerator(FakeGenerator):
    """A generator that is no longer bound to the closed vocabulary."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []

    @property
    def closed_vocabulary(self) -> bool:
        return False

    def generate(self, prompt: str, *, seed: int, width: int, height: int) -> np.ndarray:
        self.prompts.append(prompt)
        return super().generate(prompt, seed=seed, width=width, height=height)


def test_every_scene_is_another_street_of_the_condition_and_the_same_one_again() -> None:
    generator = FreeTextGenerator()
    streets = GeneratedBackgrounds(generator, WORDS)
    made = [
        streets.get(3, index, condition=Condition.parse("night-rain"), width=96, height=64)
        for index in (0, 1, 0)
    ]
    assert made[0].image.shape == (64, 96, 3)
    assert np.array_equal(made[0].image, made[2].image)
    assert made[0].identity != made[1].identity
    assert all(one.identity.startswith("generated:") and not one.from_camera for one in made)
    assert all(any(words in prompt for words in WORDS.light["night"]) for prompt in generator.prompts)
    assert all(any(words in prompt for words in WORDS.empty) for prompt in generator.prompts)


def test_a_run_without_images_names_its_generated_streets_in_the_provenance(tmp_path: Path) -> None:
    generator = FreeTextGenerator()
    streets = open_backgrounds(None, "auto", generator, WORDS)
    done = run(tmp_path, order(count=2), generator=generator, backgrounds=streets)
    assert done.facts().backgrounds == streets.identity
    assert done.facts().vocabulary == WORDS.digest
    assert all(row.background.startswith("generated:") for row in done.provenance())
    assert all(
        any(words in hazard.prompt for words in WORDS.classes["pothole"])
        for row in done.provenance()
        for hazard in row.hazards
    )


def test_which_streets_are_used_follows_from_the_setting_and_the_generator(tmp_path: Path) -> None:
    bundled, free = FakeGenerator(), FreeTextGenerator()
    assert isinstance(open_backgrounds(None, "auto", bundled, WORDS), DrawnBackgrounds)
    assert isinstance(open_backgrounds(None, "drawn", free, WORDS), DrawnBackgrounds)
    assert isinstance(open_backgrounds(None, "generated", free, WORDS), GeneratedBackgrounds)
    with pytest.raises(OrderRefused, match="cannot generate streets"):
        open_backgrounds(None, "generated", bundled, WORDS)
    with pytest.raises(BackgroundsMissing):
        open_backgrounds(tmp_path / "none", "auto", free, WORDS)
