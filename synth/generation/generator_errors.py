"""Errors of the libraries behind a generator: whatever they raise becomes one `GeneratorUnavailable`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from messaging.errors import BlindspotError
from synth.errors import GeneratorUnavailable

_REASON_LENGTH = 200


@contextlib.contextmanager
def generator_errors(what: str, remedy: str, *, staged: Path | None = None) -> Iterator[None]:
    """Raise `GeneratorUnavailable` for every error of a library inside; errors of ours pass unchanged.

    The path of a `staged` folder, which means nothing to the reader, is left out of the sentence.
    """
    try:
        yield
    except BlindspotError:
        raise
    except Exception as error:  # five libraries raise here, without a common base but Exception
        text = str(error).replace(f"{staged}/", "") if staged else str(error)
        lines = text.strip().splitlines()
        reason = lines[0].strip()[:_REASON_LENGTH] if lines else type(error).__name__
        raise GeneratorUnavailable(f"{what} ({reason.rstrip('.:')}); {remedy}") from error
