"""A generator by the name in a setting, inspected without loading it: a folder, one file, or a hub model.

No library of models is imported here, so that a doctor and a plan can check a generator in milliseconds.
"""

from pathlib import Path

from synth.generation.generator_name import HubName, located
from synth.generation.lora import inspect_lora
from synth.generation.model_folder import (
    BUNDLED_FOLDER,
    BUNDLED_NAME,
    ModelFolder,
    inspect_folder,
    licence_of,
    name_of,
)
from synth.generation.options import DEFAULT_OPTIONS, GeneratorOptions
from synth.generation.single_file import SingleFile, inspect_file


def inspect_model(place: Path, *, half: bool = False) -> ModelFolder | SingleFile:
    """What is at the path; with `half`, by variants in half precision. Raises `GeneratorUnavailable`."""
    return inspect_file(place) if place.is_file() else inspect_folder(place, half=half)


def name_and_licence(name: str | None, *, licence: str) -> tuple[str, str]:
    """Name and licence of the generator of a setting; `licence` is that of a hub model.

    Raises as `located` does.
    """
    if name is None:
        return BUNDLED_NAME, licence_of(BUNDLED_FOLDER)
    place = located(name)
    return (place.model_id, licence) if isinstance(place, HubName) else (name_of(place), licence_of(place))


def inspected_generator(name: str | None, options: GeneratorOptions = DEFAULT_OPTIONS) -> str:
    """Where the generator of a setting is, it and its LoRAs inspected; a hub model is not requested.

    Raises as `located`, `inspect_model` and `inspect_lora` do.
    """
    place = BUNDLED_FOLDER if name is None else located(name)
    if isinstance(place, HubName):
        return f"{name}, fetched by the first campaign"
    model = inspect_model(place)
    loras = [inspect_lora(lora, model.unet["cross_attention_dim"]) for lora in options.loras]
    return str(place) + "".join(f", LoRA {lora.name}" for lora in loras)
