"""An output folder is emptied only if an earlier run made it, and nothing foreign is ever deleted."""

from pathlib import Path

import pytest

from messaging.errors import ConfigurationError
from messaging.runtime.output_folders import MARKER, claim_output_folder

MAKES = ("work", "report.html")


def claim(folder: Path, *inputs: Path, program: str = "blindspot demo") -> None:
    claim_output_folder(folder, program, makes=MAKES, inputs=inputs).release()


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def test_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "a" / "out"
    claim(out)
    (out / "work" / "deep").mkdir(parents=True)
    (out / "report.html").write_text("old")
    claim(out)
    assert {path.name for path in out.iterdir() if path.name in MAKES} == set()
    assert (out / MARKER).exists()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    claim(tmp_path)
    claim(tmp_path)


@pytest.mark.parametrize("name", ["thesis", "work", "report.html", MARKER])
def test_a_folder_with_anything_in_it_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "chapter1.txt").write_text("three years of work")
    before = tree(tmp_path)
    with pytest.raises(ConfigurationError, match="is not empty and was not made by `blindspot demo`"):
        claim(tmp_path)
    assert tree(tmp_path) == before


def test_a_foreign_file_beside_an_earlier_run_is_named_and_everything_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    claim(out)
    (out / "report.html").write_text("mine")
    (out / "notes.txt").write_text("a note")
    before = tree(out)
    with pytest.raises(ConfigurationError, match=r"\('notes\.txt' is in it\)"):
        claim(out)
    assert tree(out) == before


def test_the_output_of_another_program_is_refused(tmp_path: Path) -> None:
    claim(tmp_path, program="blindspot demo-real")
    with pytest.raises(ConfigurationError, match="not made by `blindspot demo`"):
        claim(tmp_path)


def test_an_input_inside_the_output_folder_is_refused_also_through_a_link(tmp_path: Path) -> None:
    out = tmp_path / "out"
    claim(out)
    clip = out / "work" / "clip.mp4"
    clip.parent.mkdir()
    clip.write_text("footage")
    link = tmp_path / "link"
    link.symlink_to(out)
    for source in (clip, link / "work" / "clip.mp4", out, out / "work" / ".." / "work"):
        with pytest.raises(ConfigurationError, match="is inside the output folder"):
            claim(out, source)
    assert clip.read_text() == "footage"


def test_a_link_in_the_folder_is_removed_and_its_target_stays(tmp_path: Path) -> None:
    out, target = tmp_path / "out", tmp_path / "footage"
    target.mkdir()
    (target / "clip.mp4").write_text("footage")
    claim(out)
    (out / "work").symlink_to(target)
    claim(out)
    assert not (out / "work").exists()
    assert (target / "clip.mp4").read_text() == "footage"


def test_a_file_and_a_folder_in_use_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="is a file"):
        claim(tmp_path / "file")
    held = claim_output_folder(tmp_path / "out", "blindspot demo", makes=MAKES)
    with pytest.raises(ConfigurationError, match="another run writes to"):
        claim(tmp_path / "out")
    held.release()
