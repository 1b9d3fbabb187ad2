"""The name that a setting or a command line gives a generator: a folder, or a hub id with a commit."""

import re
from dataclasses import dataclass
from pathlib import Path

from messaging.errors import ConfigurationError
from synth.errors import GeneratorUnavailable

COMMIT_LENGTH = 40
_HUB_ID = re.compile(r"([\w-][\w.-]*/[\w-][\w.-]*)(?:@(.*))?", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class HubName:
    """A model of a hub at one commit of its repository; another revision is a `ConfigurationError`."""

    model_id: str
    commit: str

    def __post_init__(self) -> None:
        if len(self.commit) != COMMIT_LENGTH or not set(self.commit) <= set("0123456789abcdef"):
            raise ConfigurationError(
                f"hub model {self.model_id!r} needs a pinned revision, the {COMMIT_LENGTH} hex digits of a "
                f"commit of its repository; got {self.commit!r:.60}; write {self.model_id}@COMMIT"
            )


def located(name: str) -> Path | HubName:
    """Where a generator is; what exists on disk is never taken for a hub id.

    Raises `ConfigurationError` for a hub id without a commit, `GeneratorUnavailable` for what is no path.
    """
    if not name.strip() or "\0" in name:
        raise ConfigurationError(f"{name!r} is empty or holds a zero byte; give a folder, or leave it out")
    try:
        there = Path(name).exists()
    except OSError as error:
        raise GeneratorUnavailable(f"generator {name:.200} is no path ({error.strerror})") from None
    hub = _HUB_ID.fullmatch(name)
    if there or hub is None:
        return Path(name)
    if hub[2] is None:
        raise ConfigurationError(
            f"there is no generator folder {name}; if it is a hub model, write {name}@COMMIT, the "
            f"{COMMIT_LENGTH} hex digits of a commit of its repository"
        )
    return HubName(hub[1], hub[2])
