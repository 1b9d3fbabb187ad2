"""The page is read as it is shown, and the rehearsal sets every variable that the page asks for."""

from pathlib import Path

import pytest

from tests.rehearsal.deployment import PAGE
from tests.rehearsal.page import Block, BlockKind, blocks
from tests.rehearsal.reader import Reader, RehearsalFailed

TEXT = """# A

```sh values
export A=1
export B=2
```

```yaml
no: shell
```

```sh
echo $A

ls
```
"""


def test_blocks_are_found_with_kind_line_and_commands(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(TEXT)
    values, run = blocks(page)
    assert (values.kind, values.variables, values.line) == (BlockKind.VALUES, ("A", "B"), 4)
    assert (run.kind, run.commands, run.line) == (BlockKind.RUN, ("echo $A", "ls"), 13)


def test_a_block_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh later\nls\n```\n")
    with pytest.raises(ValueError, match="later"):
        blocks(page)


def test_the_page_starts_four_programs_and_names_no_demo() -> None:
    found = blocks(PAGE)
    started = [c for block in found if block.kind is BlockKind.TERMINAL for c in block.commands]
    programs = ("blindspot cloud run", "edge broker", "edge gate", "edge node")
    assert len(started) == len(programs)
    assert all(words in command for words, command in zip(programs, started, strict=True))
    assert not [c for block in found for c in block.commands if "demo" in c]


def _reader(folder: Path, **values: str) -> Reader:
    (folder / "empty").mkdir()
    return Reader(
        folder / "empty",
        {name: lambda _, value=value: value for name, value in values.items()},  # type: ignore[misc]
        log=lambda text: None,
        patience_s=5.0,
    )


def test_values_programs_and_commands_are_run_in_order(tmp_path: Path) -> None:
    reader = _reader(tmp_path, NAME="ready")
    try:
        reader.read(
            (
                Block(BlockKind.VALUES, "export NAME=mine\n", 1),
                Block(BlockKind.TERMINAL, 'sleep 1 && echo "$NAME" > written && sleep 60\n', 2),
                Block(BlockKind.RUN, "grep ready written\ntouch after\n", 3),
            )
        )
    finally:
        reader.stop()
    assert (tmp_path / "empty" / "after").exists()
    assert [command.text for command in reader.commands][1:] == ["grep ready written", "touch after"]


def test_a_command_that_fails_is_named_with_its_line_and_output(tmp_path: Path) -> None:
    reader = _reader(tmp_path)
    with pytest.raises(RehearsalFailed, match=r"line 7: 'ls nowhere' ended with 2: .*nowhere"):
        reader.read((Block(BlockKind.RUN, "ls nowhere\ntouch after\n", 7),))
    assert not (tmp_path / "empty" / "after").exists()


def test_a_program_that_ends_stops_the_reading(tmp_path: Path) -> None:
    reader = _reader(tmp_path)
    blocks_ = (Block(BlockKind.TERMINAL, "echo broken; exit 4\n", 1), Block(BlockKind.RUN, "ls nowhere\n", 2))
    with pytest.raises(RehearsalFailed, match=r"terminal-1.log ended: broken"):
        reader.read(blocks_)
    reader.stop()
