"""The journal of played segments: restarts, crashes, damaged files and full disks."""

from pathlib import Path

import pytest

from edge.camera.segment_journal import MAX_ATTEMPTS, SegmentJournal

A, B = "1 a.mp4", "2 b c.mp4"


def test_what_was_played_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "node" / "cam.txt"
    journal = SegmentJournal(path)
    assert journal.begin(A)
    journal.finish(A)
    assert SegmentJournal(path).played == {A}


def test_a_segment_that_ends_the_program_is_passed_over_at_the_fourth_start(tmp_path: Path) -> None:
    path = tmp_path / "cam.txt"
    assert [SegmentJournal(path).begin(A) for _ in range(MAX_ATTEMPTS + 1)] == [True] * MAX_ATTEMPTS + [False]
    assert SegmentJournal(path).begin(B)


def test_proper_stops_in_one_long_segment_are_no_crashes(tmp_path: Path) -> None:
    path = tmp_path / "cam.txt"
    for _ in range(3 * MAX_ATTEMPTS):
        journal = SegmentJournal(path)
        assert journal.begin(A)
        journal.stop(A)
    assert SegmentJournal(path).played == set()


def test_a_journal_of_earlier_versions_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cam.txt").write_text(f"{A}\n{B}")
    assert SegmentJournal(tmp_path / "cam.txt").played == {A, B}
    assert not caplog.records


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b"\xff\xfe1\0 \0a\0", b"1 a.mp4\nrubbish", b"\x80\x81"],
    ids=["empty", "zeros", "UTF-16", "a foreign line", "no text"],
)  # fmt: skip
def test_a_damaged_journal_is_named_and_begun_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    path = tmp_path / "cam.txt"
    path.write_bytes(data)
    journal = SegmentJournal(path)
    assert journal.played == set()
    assert "segments in the folder are played again" in caplog.text
    journal.finish(A)
    caplog.clear()
    assert SegmentJournal(path).played == {A}
    assert not caplog.records


def test_nothing_played_yet_is_no_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = SegmentJournal(tmp_path / "cam.txt")
    journal.begin(A)
    journal.stop(A)
    assert SegmentJournal(tmp_path / "cam.txt").played == set()
    assert not caplog.records


def test_a_disk_that_takes_nothing_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0
    (tmp_path / "node").write_text("a file where the folder belongs")
    journal = SegmentJournal(tmp_path / "node" / "cam.txt", clock=lambda: now_s)
    for key in (A, B):
        journal.finish(key)
    assert len(caplog.records) == 1
    (tmp_path / "node").unlink()
    (tmp_path / "node").mkdir()
    now_s = 60.0
    journal.keep_only([A, B])
    assert SegmentJournal(tmp_path / "node" / "cam.txt").played == {A, B}


def test_removed_segments_are_forgotten(tmp_path: Path) -> None:
    journal = SegmentJournal(None)
    journal.finish(A)
    journal.finish(B)
    journal.keep_only([B])
    assert journal.played == {B}
