"""Options of a generator that contradict themselves are refused when they are read, in one sentence."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from cloud.settings import CloudSettings, SynthesisSettings
from messaging.errors import ConfigurationError
from messaging.runtime.configuration_files import load_settings
from synth.generation.options import GeneratorOptions, Lora, read_options


@pytest.mark.parametrize(
    ("yaml", "sentence"),
    [
        ("{device: cpu, offload: model}", "offload: model moves parts between a card and the memory"),
        ("{device: cpu, precision: float16}", "processors do not compute in float16"),
        ("{attention_slicing: 0}", "attention_slicing is 0"),
        ("{attention_slicing: most}", "attention_slicing"),
        ("{offload: disk}", "offload"),
        ("{sampler: dpm}", "sampler"),
        ("{steps: 0}", "steps"),
        ("{guidance: 0.5}", "guidance"),
        ("{guidance: 1, negative_prompt: blurred}", "negative_prompt has no effect with guidance 1"),
        ("{loras: [{path: a}, {path: a, weight: 2}]}", "LoRA a is listed twice"),
        ("{loras: [{weight: 1}]}", "path"),
        ("{guidence: 3}", "guidance"),
    ],
)
def test_settings_that_contradict_themselves_are_refused_with_the_key(
    tmp_path: Path, yaml: str, sentence: str
) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text(f"synthesis: {yaml}\n")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(CloudSettings, path)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_options_and_sampling_of_the_settings_reach_the_run_unchanged(tmp_path: Path) -> None:
    settings = SynthesisSettings(
        device="cpu", batch=2, attention_slicing="max", loras=(Lora(path=Path("a"), weight=0.5),), steps=12,
        sampler="dpmpp_2m", negative_prompt="blurred",
    )  # fmt: skip
    path = tmp_path / "options.json"
    path.write_text(settings.options.model_dump_json())
    assert read_options(path) == settings.options
    assert settings.options.loras[0].weight == 0.5
    assert (settings.sampling.steps, settings.sampling.guidance) == (12, None)
    assert settings.sampling.negative_prompt == "blurred"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"device": "tpu"}', '{"batsch": 1}'])
def test_a_damaged_options_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "options.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"generator options .*options\.json") as refused:
        read_options(path)
    assert "\n" not in str(refused.value)


def test_a_weight_beyond_reason_is_refused() -> None:
    with pytest.raises(ValidationError, match="weight"):
        GeneratorOptions.model_validate({"loras": [{"path": "a", "weight": 40}]})
