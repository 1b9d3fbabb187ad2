"""The journal of an unfinished run: what a resumed run reads, and who may use a folder."""

from pathlib import Path

import pytest

from messaging.taxonomy import DEFAULT_TAXONOMY
from synth.errors import OrderRefused
from synth.journal import Group, RunJournal, claim_folder
from synth.selection.filters import Refusal
from synth.selection.labelled_set import finalise_set, write_image
from tests.support.synth.rows import facts, image_row, jpeg, refused_row


def two_groups(folder: Path) -> RunJournal:
    journal = RunJournal.read(folder)
    journal.add(Group(next_scene=8, images_judged=16, patches_generated=40, kept=(image_row("one"),)))
    refused = (refused_row("two/0"), refused_row("three/0"), refused_row("three/1", Refusal.UNSAFE))
    journal.add(Group(next_scene=10, images_judged=4, patches_generated=10, refused=refused))
    return journal


def test_a_folder_without_a_journal_starts_at_the_first_scene(tmp_path: Path) -> None:
    journal = RunJournal.read(tmp_path)
    assert (journal.next_scene, journal.kept, journal.patches_generated) == (0, [], 0)
    assert not journal.budget_spent


def test_a_resumed_run_reads_the_groups_in_order(tmp_path: Path) -> None:
    written, read = two_groups(tmp_path), RunJournal.read(tmp_path)
    assert read.groups == written.groups
    assert read.next_scene == 10
    assert [row.name for row in read.kept] == ["one"]
    assert (read.images_judged, read.patches_generated) == (20, 50)
    assert read.refused_by_reason() == {"duplicate": 2, "unsafe": 1}


def test_more_than_ten_groups_stay_in_order(tmp_path: Path) -> None:
    journal = RunJournal.read(tmp_path)
    for index in range(12):
        journal.add(Group(next_scene=index + 1))
    assert RunJournal.read(tmp_path).next_scene == 12


def test_the_budget_is_spent_when_the_last_group_could_not_afford_a_scene(tmp_path: Path) -> None:
    journal = RunJournal.read(tmp_path)
    journal.add(Group(next_scene=1, refused=(refused_row("two/0", Refusal.OUT_OF_BUDGET),)))
    assert RunJournal.read(tmp_path).budget_spent


def test_a_deleted_journal_is_empty_and_the_images_stay(tmp_path: Path) -> None:
    journal = two_groups(tmp_path)
    (tmp_path / "images").mkdir()
    journal.delete()
    assert RunJournal.read(tmp_path).groups == []
    assert (tmp_path / "images").is_dir()


@pytest.mark.parametrize("content", [b"", b"\0" * 99, b'{"next_scene": 8, "kept', b"[]", b"\xff\xfe", None])
def test_a_journal_ends_before_an_entry_that_is_emptied_cut_or_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    journal = RunJournal.read(tmp_path)
    for index in range(4):
        journal.add(Group(next_scene=index + 1))
    entry = tmp_path / "journal" / "000001.json"
    entry.unlink() if content is None else entry.write_bytes(content)
    (tmp_path / "journal" / "notes.json").write_text("kept")
    assert RunJournal.read(tmp_path).next_scene == 1
    assert sorted(p.name for p in (tmp_path / "journal").iterdir()) == ["000000.json", "notes.json"]
    assert content is None or "000001.json is empty, cut or of another version" in caplog.text


@pytest.mark.parametrize("content", [b"", b"cut", None])
def test_a_group_whose_image_was_lost_is_made_again(tmp_path: Path, content: bytes | None) -> None:
    files = write_image(tmp_path, image_row(), jpeg(), DEFAULT_TAXONOMY.names)
    journal = RunJournal.read(tmp_path)
    journal.add(Group(next_scene=1))
    journal.add(Group(next_scene=2, kept=(image_row(),), files=files))
    assert RunJournal.read(tmp_path).next_scene == 2
    image = tmp_path / "images" / "one.jpg"
    image.unlink() if content is None else image.write_bytes(content)
    assert RunJournal.read(tmp_path).next_scene == 1


def test_deleting_a_journal_leaves_files_of_others_in_its_folder(tmp_path: Path) -> None:
    journal = two_groups(tmp_path)
    (tmp_path / "journal" / "notes.txt").write_text("mine")
    journal.delete()
    assert [p.name for p in (tmp_path / "journal").iterdir()] == ["notes.txt"]


def test_a_folder_belongs_to_the_run_that_claimed_it(tmp_path: Path) -> None:
    claim_folder(tmp_path, facts())
    claim_folder(tmp_path, facts())
    with pytest.raises(OrderRefused, match="by generator fake; give order 000000000000 by other"):
        claim_folder(tmp_path, facts(generator="other"))


@pytest.mark.parametrize("names", [["thesis.txt"], ["journal/chapter.txt"], ["images/holiday.jpg"], [".git"]])
def test_a_folder_with_files_of_something_else_is_refused_and_stays_as_it_is(
    tmp_path: Path, names: list[str]
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("three years of work")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OrderRefused, match=r"files of something else .*give a new or an empty folder"):
        claim_folder(tmp_path, facts())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_foreign_facts_file_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text('{"cats": "have nine lives"}')
    with pytest.raises(OrderRefused, match="files of something else"):
        claim_folder(tmp_path, facts())
    assert "nine lives" in (tmp_path / "facts.json").read_text()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(OrderRefused, match="out is a file; give a folder"):
        claim_folder(tmp_path / "out", facts())


CUT = [b"", b"\0" * 512, b'{\n "order":{"order":"pot']


@pytest.mark.parametrize("content", CUT)
def test_an_emptied_record_is_written_again_if_nothing_depends_on_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "facts.json").write_bytes(content)
    (tmp_path / ".facts.json.abc").write_bytes(b"left by a killed run")
    write_image(tmp_path, image_row(), jpeg(), DEFAULT_TAXONOMY.names)
    claim_folder(tmp_path, facts())
    with pytest.raises(OrderRefused, match="by generator fake"):
        claim_folder(tmp_path, facts(generator="other"))


@pytest.mark.parametrize("content", CUT)
def test_an_emptied_record_of_a_run_in_progress_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    claim_folder(tmp_path, facts())
    two_groups(tmp_path)
    (tmp_path / "facts.json").write_bytes(content)
    with pytest.raises(OrderRefused, match=r"facts\.json is empty or cut, .*give another folder"):
        claim_folder(tmp_path, facts())
    assert RunJournal.read(tmp_path).next_scene == 10


@pytest.mark.parametrize("content", [*CUT, None])
def test_the_record_of_a_finished_set_is_read_from_the_set(tmp_path: Path, content: bytes | None) -> None:
    write_image(tmp_path, image_row(), jpeg(), DEFAULT_TAXONOMY.names)
    finalise_set(tmp_path, facts=facts(), kept=[image_row()], refused=[], patches_generated=4, complete=True)
    if content is not None:
        (tmp_path / "facts.json").write_bytes(content)
    claim_folder(tmp_path, facts())
    with pytest.raises(OrderRefused, match="by generator fake"):
        claim_folder(tmp_path, facts(generator="other"))
