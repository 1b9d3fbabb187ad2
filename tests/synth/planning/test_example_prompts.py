"""Examples of prompts are those that the generator would get, and the same for the same order."""

import pytest

from synth.errors import OrderRefused
from synth.planning.example_prompts import example_prompts
from synth.planning.prompts import VOCABULARY
from synth.planning.vocabulary import read_vocabulary
from tests.support.synth.orders import order


def test_equal_orders_have_equal_examples_without_repetition() -> None:
    found = example_prompts(order(), None, 3)
    assert found == example_prompts(order(), None, 3)
    assert len(set(found)) == len(found) == 3
    assert all("at night" in prompt and "clear weather" in prompt for prompt in found)
    words = {word for prompt in found for word in prompt.replace(",", "").split()}
    assert words <= set(VOCABULARY) | {"a", "of"}


def test_a_generator_of_free_text_has_the_phrases_of_its_vocabulary() -> None:
    vocabulary = read_vocabulary()
    found = example_prompts(order(), vocabulary, 3)
    assert all(any(prompt.startswith(camera) for camera in vocabulary.camera) for prompt in found)


def test_words_that_the_bundled_generator_does_not_know_are_refused() -> None:
    classes = [one.model_copy(update={"words": ("a zebra",)}) for one in order().classes]
    with pytest.raises(OrderRefused, match="zebra"):
        example_prompts(order(classes=tuple(classes)), None, 3)
