"""A generator by the name that a setting or a command line gives it: a folder, or a hub id with a commit."""

import re
from pathlib import Path

from messaging.errors import ConfigurationError
from synth.errors import GeneratorUnavailable
from synth.generation.generator import Generator
from synth.generation.stable_diffusion import BUNDLED_FOLDER, DiffusionGenerator

_HUB_ID = re.compile(r"([\w-][\w.-]*/[\w-][\w.-]*)(?:@(.*))?", re.ASCII | re.DOTALL)


def open_generator(name: str | None, licence: str) -> Generator:
    """Open the generator; None means the bundled one, what exists on disk is never taken for a hub id.

    Raises `ConfigurationError` for a hub id without a commit, otherwise `GeneratorUnavailable`.
    """
    if name is None:
        return DiffusionGenerator.from_folder(BUNDLED_FOLDER)
    if not name.strip() or "\0" in name:
        raise ConfigurationError(f"{name!r} is empty or holds a zero byte; give a folder, or leave it out")
    try:
        there = Path(name).exists()
    except OSError as error:
        raise GeneratorUnavailable(f"generator {name:.200} is no path ({error.strerror})") from None
    hub = _HUB_ID.fullmatch(name)
    if there or hub is None:
        return DiffusionGenerator.from_folder(Path(name))
    if hub[2] is None:
        raise ConfigurationError(
            f"there is no generator folder {name}; if it is a hub model, write {name}@COMMIT, the 40 hex "
            "digits of a commit of its repository"
        )
    return DiffusionGenerator.from_hub(hub[1], hub[2], licence=licence)
