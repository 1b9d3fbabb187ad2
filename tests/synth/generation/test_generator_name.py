"""The name of a generator is a folder where there is one, otherwise a hub id with a commit."""

from pathlib import Path

import pytest

from messaging.errors import ConfigurationError
from synth.errors import GeneratorUnavailable
from synth.generation.model_folder import BUNDLED_FOLDER
from synth.generation.stable_diffusion import DiffusionGenerator
from tests.support.trouble.generator_folders import linked_copy


def test_no_name_is_the_bundled_generator() -> None:
    assert DiffusionGenerator.from_name(None, licence="unknown").card.name == "small-sd"


@pytest.mark.parametrize("name", ["", "  ", "\t"])
def test_an_empty_name_is_refused_and_is_not_the_bundled_generator(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        DiffusionGenerator.from_name(name, licence="unknown")


@pytest.mark.parametrize("name", ["org/model", "org/model@0123", "a@b", "a b/c [x]@main"])
def test_a_folder_that_exists_is_never_taken_for_a_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    linked_copy(BUNDLED_FOLDER, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert DiffusionGenerator.from_name(name, licence="unknown").card.name == Path(name).name


@pytest.mark.parametrize("name", ["org/model", "./org/model@x", "/srv/a@b/c", "a/b/c@d", "x\0y", "y" * 5000])
def test_a_name_of_nothing_is_one_sentence_that_repeats_it(name: str) -> None:
    with pytest.raises((ConfigurationError, GeneratorUnavailable)) as refused:
        DiffusionGenerator.from_name(name, licence="unknown")
    assert str(Path(name[:40].replace("\0", "\\x00"))) in str(refused.value)
    assert "\n" not in str(refused.value)
