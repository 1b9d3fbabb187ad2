"""The journal of an unfinished run: what a resumed run reads, and who may use a folder."""

from pathlib import Path

import pytest

from synth.errors import OrderRefused
from synth.journal import Group, RunJournal, claim_folder
from synth.selection.filters import Refusal
from tests.support.synth.rows import facts, image_row, refused_row


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


def test_a_folder_belongs_to_the_run_that_claimed_it(tmp_path: Path) -> None:
    claim_folder(tmp_path, facts())
    claim_folder(tmp_path, facts())
    with pytest.raises(OrderRefused, match="by generator fake; give order 000000000000 by other"):
        claim_folder(tmp_path, facts(generator="other"))
