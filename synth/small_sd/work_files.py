"""Files of a training's work folder: written aside and renamed; a damaged one is one sentence.

A training is continued from these files, so none of them is taken for whole when a power cut or a full disk
has cut it.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from messaging.errors import BlindspotError
from synth.errors import SynthesisError


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise `SynthesisError` for whatever a library raises inside, while it reads `path`."""
    try:
        yield
    except BlindspotError:
        raise
    except Exception as error:  # numpy, zipfile, torch and diffusers have no common base but Exception
        lines = str(error).strip().splitlines()
        raise SynthesisError(
            f"{path} of the work folder is damaged or of another training "
            f"({lines[0][:200] if lines else type(error).__name__}); delete it and train again"
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or a folder at; it takes the place of `path` at the end."""
    draft = path.with_name(f"{path.stem}.part{path.suffix}")
    yield draft
    draft.replace(path)
