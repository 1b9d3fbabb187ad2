"""Prompts of free text come from a YAML file; every mistake in it is one sentence with its place."""

from pathlib import Path

import numpy as np
import pytest

from messaging.errors import ConfigurationError
from messaging.hazard_classes import HazardClass
from messaging.taxonomy import DEFAULT_TAXONOMY, Condition, Light, SizeBin, Weather
from synth.planning.vocabulary import SHIPPED_VOCABULARY, read_vocabulary


def test_the_shipped_vocabulary_has_words_for_every_tag_and_they_fit_a_prompt_of_77_tokens() -> None:
    vocabulary = read_vocabulary()
    for light in set(Light) - {Light.UNKNOWN}:
        for weather in set(Weather) - {Weather.UNKNOWN}:
            for size in set(SizeBin) - {SizeBin.UNKNOWN}:
                for hazard in DEFAULT_TAXONOMY.classes:
                    prompt = vocabulary.prompt(
                        hazard, Condition(light, weather),
                        rng=np.random.default_rng(len(hazard.name)), size=size,
                    )  # fmt: skip
                    assert len(prompt.split(", ")) >= 5, prompt
                    assert len(prompt.split()) <= 45, prompt


def test_equal_arguments_give_equal_prompts_and_another_condition_gives_another_one() -> None:
    vocabulary = read_vocabulary()

    def prompt(key: str, seed: int = 3) -> str:
        tree = HazardClass(name="fallen_tree", severity=3, words=("a fallen tree",))
        return vocabulary.prompt(tree, Condition.parse(key), rng=np.random.default_rng(seed))

    assert prompt("night-rain") == prompt("night-rain")
    assert "a fallen tree" in prompt("night-rain")
    assert prompt("night-rain") != prompt("day-clear")
    assert len({prompt("day-fog", seed) for seed in range(20)}) > 5
    assert prompt("unknown-unknown").count(",") == 1


def test_words_of_the_file_replace_those_of_the_classes() -> None:
    vocabulary = read_vocabulary()
    assert "a pothole in the asphalt" in vocabulary.words(DEFAULT_TAXONOMY.hazard("pothole"))
    tree = HazardClass(name="fallen_tree", severity=3, words=("a fallen tree",))
    assert vocabulary.words(tree) == ("a fallen tree",)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("camera:", "kamera:", "camera"),
        ("  night:", "  midnight:", "midnight"),
        ("[dry road, clear weather]", "[]", "weather"),
        ("[far away in the distance]", "7", "size"),
        ("[dense fog,", "[dense fog, ' ',", "weather"),
        ("classes:", "classes: [", ""),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    path = tmp_path / "prompts.yaml"
    text = SHIPPED_VOCABULARY.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as refused:
        read_vocabulary(path)
    assert str(path) in str(refused.value)
    assert sentence in str(refused.value)


def test_another_content_is_another_digest(tmp_path: Path) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text(SHIPPED_VOCABULARY.read_text().replace("dense fog", "thick fog"))
    assert read_vocabulary(path).digest != read_vocabulary().digest
