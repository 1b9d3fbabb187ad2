"""State files: one JSON document each, replaced atomically and validated whenever it is read back.

After a power cut or on a full disk a file can be empty, cut or from another program; `read` never takes such
a file for a state. The caller decides what follows: begin again where nothing is lost, otherwise refuse to
start.
"""

from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from messaging.errors import StateFileBroken
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.text_files import read_bytes

State = TypeVar("State")


class StateFile(Generic[State]):
    """One state of type `state_type` in one file."""

    def __init__(self, path: Path, state_type: type[State] | TypeAdapter[State]) -> None:
        self.path = path
        self._adapter: TypeAdapter[State] = (
            state_type if isinstance(state_type, TypeAdapter) else TypeAdapter(state_type)
        )

    def read(self) -> State | None:
        """The state; None if there is no file. Raises `StateFileBroken` for anything that is not one."""
        if not self.path.exists():
            return None
        data = read_bytes(self.path)
        if not data.strip(b"\0 \n"):
            raise StateFileBroken(f"state file {self.path} is empty; restore it from a backup or remove it")
        try:
            return self._adapter.validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise StateFileBroken(
                f"state file {self.path} is damaged ({f'{where}: ' if where else ''}{first['msg']}); "
                "restore it from a backup or remove it"
            ) from None

    def write(self, state: State) -> None:
        """Replace the file; after a crash the old or the new state is there."""
        write_atomically(self.path, self._adapter.dump_json(state))
