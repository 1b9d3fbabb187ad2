"""Prompts: what a class under a condition is called."""

import re

import numpy as np
import pytest

from messaging.hazard_classes import HazardClass
from messaging.taxonomy import DEFAULT_TAXONOMY, Condition, Light, SizeBin, Weather, taxonomy_of
from synth.errors import OrderRefused
from synth.planning.prompts import VOCABULARY, Medium, prompt_for


def _prompt(name: str | None, key: str, seed: int = 0, **kind: object) -> str:
    return prompt_for(_hazard(name), Condition.parse(key), rng=np.random.default_rng(seed), **kind)


def _hazard(name: str | None) -> HazardClass | None:
    return None if name is None else taxonomy_of([name]).hazard(name)


@pytest.mark.parametrize(
    ("name", "key", "kind", "expected"),
    [
        ("smoke", "night-rain", {}, r"a photo of (rising )?smoke, street at night, rain, \w+ camera"),
        ("pothole", "day-clear", {}, r"a photo of a (pothole|hole in the road), street by day, clear .*"),
        (None, "dusk-fog", {}, r"a photo of an empty (street|road), street at dusk, fog, \w+ camera"),
        ("fire", "unknown-unknown", {}, r"a photo of (fire|flames), street, \w+ camera"),
        ("fire", "unknown-snow", {}, r"a photo of (fire|flames), street, snow, \w+ camera"),
        ("fire", "night-unknown", {"size": SizeBin.TINY}, r".*, street at night, far away, \w+ camera"),
        ("pothole", "day-clear", {"medium": Medium.PHOTOGRAPH}, r"a photograph of .*, clear weather"),
    ],
)
def test_tags_appear_in_the_prompt_and_unknown_ones_do_not(
    name: str | None, key: str, kind: dict[str, object], expected: str
) -> None:
    for seed in range(8):
        assert re.fullmatch(expected, _prompt(name, key, seed, **kind))


def test_a_class_is_called_what_its_description_says() -> None:
    blaze = HazardClass(name="blaze", severity=4, words=("a fire", "a street fire"))
    prompts = {
        prompt_for(blaze, Condition.parse("night-rain"), rng=np.random.default_rng(seed))
        for seed in range(20)
    }
    assert {prompt.split(",")[0] for prompt in prompts} == {
        "a photo of a fire",
        "a photo of a street fire",
    }


def test_a_word_that_the_bundled_generator_never_saw_is_refused() -> None:
    slide = HazardClass(name="land_slide", severity=4, words=("land slide",))
    with pytest.raises(OrderRefused, match="the words land, slide of hazard class land_slide"):
        prompt_for(slide, Condition.parse("night-rain"), rng=np.random.default_rng(0))


def test_equal_arguments_give_equal_prompts() -> None:
    assert _prompt("fire", "night-rain", 5) == _prompt("fire", "night-rain", 5)
    assert len({_prompt("fire", "night-rain", seed) for seed in range(20)}) > 1


def test_every_prompt_of_the_default_taxonomy_stays_in_the_closed_vocabulary() -> None:
    rng = np.random.default_rng(0)
    for name in (None, *DEFAULT_TAXONOMY.names):
        for light in Light:
            for weather in Weather:
                for size in SizeBin:
                    for medium in Medium:
                        prompt = prompt_for(
                            _hazard(name), Condition(light, weather), rng=rng, size=size, medium=medium
                        )
                        assert set(re.findall(r"[a-z]+", prompt)) <= set(VOCABULARY)


def test_no_two_classes_or_conditions_have_the_same_prompt() -> None:
    expected = {
        (name, key): _prompt(name, key, 0)
        for name in (None, *DEFAULT_TAXONOMY.names)
        for key in ("day-clear", "night-clear", "night-rain", "night-fog", "dusk-snow")
    }
    assert len(set(expected.values())) == len(expected)
