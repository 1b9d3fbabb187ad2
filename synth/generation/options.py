"""The settings of a generator that belong to the machine and the model, not to one order; without torch.

How it samples is part of the order (`synth.order.Sampling`), because it decides the images. What contradicts
itself whatever the machine is refused here; what the machine or the model lacks, in
`synth.generation.placement`, before anything is loaded.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from messaging.errors import ConfigurationError, FileFault
from messaging.runtime.text_files import read_json
from synth.device_names import AUTO, DeviceName, Precision

Streets = Literal["auto", "drawn", "generated"]


class Lora(BaseModel):
    """A LoRA on top of the generator: a `.safetensors` file or a folder with one, and its weight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    weight: float = Field(default=1.0, ge=-4.0, le=4.0)


class GeneratorOptions(BaseModel):
    """Where and how economically a generator runs, and what is added to its model.

    Attributes:
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: of the matrix products; `auto` is the fastest that the hardware has.
        batch: patches computed together; None is the model's own number. Halved when memory is short.
        attention_slicing: `auto` (two slices), `max` (one head at a time) or a number of heads; less memory,
            more time.
        vae_tiling: encode and decode in tiles; less memory for models of 768 px and more.
        offload: `model` keeps only the part in use on the card, `sequential` only the layer in use.
        loras: LoRAs of the same base model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: DeviceName = AUTO
    precision: Precision = AUTO
    batch: int | None = Field(default=None, ge=1, le=256)
    attention_slicing: Literal["auto", "max"] | int | None = None
    vae_tiling: bool = False
    offload: Literal["none", "model", "sequential"] = "none"
    loras: tuple[Lora, ...] = ()

    @model_validator(mode="after")
    def _without_contradiction(self) -> Self:
        if self.device == "cpu" and self.offload != "none":
            raise ValueError(
                f"offload: {self.offload} moves parts between a card and the memory, and device is cpu; "
                "remove offload or choose another device"
            )
        if self.device == "cpu" and self.precision == "float16":
            raise ValueError("processors do not compute in float16; choose precision auto or float32")
        if isinstance(self.attention_slicing, int) and self.attention_slicing < 1:
            raise ValueError(f"attention_slicing is {self.attention_slicing}; give auto, max or 1 and more")
        paths = [lora.path for lora in self.loras]
        if len(set(paths)) < len(paths):
            twice = next(path for path in paths if paths.count(path) > 1)
            raise ValueError(f"LoRA {twice} is listed twice; list it once, with the sum of its weights")
        return self


DEFAULT_OPTIONS = GeneratorOptions()


def read_options(path: Path) -> GeneratorOptions:
    """The options in a JSON file. Raises `ConfigurationError`."""
    try:
        return GeneratorOptions.model_validate(read_json(path))
    except FileFault as fault:
        raise ConfigurationError(f"generator options {fault}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"generator options {path}: {where or 'all'}: {first['msg']}") from None
