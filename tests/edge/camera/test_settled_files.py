"""Half a file is never taken for a whole one; a file that stands still is taken after its wait."""

import logging
import os
from pathlib import Path

import pytest

from edge.camera.settled_files import FileVersion, SettledFiles
from tests.support.trouble.odd_images import encoded, street
from tests.support.trouble.odd_videos import plain_video

SUFFIXES = (".mp4", ".avi", ".ts", ".jpg", ".png")
JPEG = encoded(street(), ".jpg")


class Folder:
    """A folder that is listed on a clock that the test moves."""

    def __init__(self, path: Path) -> None:
        self.path, self.now_s = path, 0.0
        self.files = SettledFiles(path, SUFFIXES, clock=lambda: self.now_s)
        self.known: set[str] = set()

    def after(self, seconds: float) -> list[str]:
        """Names of the finished files after so many seconds, listed every tenth of a second."""
        finished: list[str] = []
        for _ in range(round(10 * seconds)):
            self.now_s += 0.1
            for version in list(self.files.finished(self.known)):
                self.known.add(version.key)
                finished.append(version.path.name)
        return finished

    def write(self, name: str, data: bytes, at_s: float = 0.0) -> None:
        path = self.path / name
        with path.open("ab") as file:
            file.write(data)
        stamp = round(1e9 * (1_800_000_000 + at_s + self.now_s))
        os.utime(path, ns=(stamp, stamp))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_an_image_uploaded_in_two_halves_is_taken_once_and_whole(folder: Folder) -> None:
    folder.write("cam_0001.jpg", JPEG[: len(JPEG) // 2])
    assert folder.after(1.5) == []
    folder.write("cam_0001.jpg", JPEG[len(JPEG) // 2 :])
    assert folder.after(2.0) == ["cam_0001.jpg"]
    assert folder.after(60.0) == []


@pytest.mark.parametrize(
    ("suffix", "pause_s"), [(".avi", 1.5), (".mp4", 1.5), (".mp4", 20.0), (".avi", 25.0)]
)
def test_a_video_uploaded_in_six_parts_is_taken_once_and_whole(
    folder: Folder, tmp_path: Path, suffix: str, pause_s: float
) -> None:
    source = tmp_path.parent / f"{tmp_path.name}-source"
    source.mkdir()
    data = plain_video(source / f"v{suffix}", 30).read_bytes()
    for part in range(6):
        folder.write(f"clip_0001{suffix}", data[part * len(data) // 6 : (part + 1) * len(data) // 6])
        if part < 5:
            assert folder.after(pause_s) == []
    assert folder.after(1.0) == [f"clip_0001{suffix}"]


def test_a_transport_stream_written_every_four_seconds_is_taken_when_it_stands_still(folder: Folder) -> None:
    for _ in range(5):
        folder.write("clip.ts", b"G" + b"\0" * 187)
        assert folder.after(4.0) == []
    assert folder.after(2.0) == ["clip.ts"]


def test_a_file_that_stays_cut_off_is_taken_after_half_a_minute_so_that_its_rest_is_not_lost(
    folder: Folder,
) -> None:
    folder.write("a.jpg", JPEG[:500])
    assert folder.after(29.0) == []
    assert folder.after(2.0) == ["a.jpg"]


def test_a_renamed_file_is_taken_at_once_whatever_the_clock_of_its_machine(folder: Folder) -> None:
    for name, years in (("past.jpg", -20), ("future.jpg", 20)):
        folder.write(name, JPEG, at_s=years * 31e6)
    assert folder.after(1.0) == ["future.jpg", "past.jpg"]


def test_a_file_that_never_stands_still_is_reported_once_and_does_not_hold_up_others(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    finished = []
    for number in range(100):
        folder.write("a.ts", b"G" * 188)
        if number == 50:
            folder.write("b.jpg", JPEG)
        finished += folder.after(2.0)
    assert finished == ["b.jpg"]
    (record,) = caplog.records
    assert "a.ts has been changing for 60 s; it is played when it is complete" in record.getMessage()


def test_a_file_that_is_written_again_is_another_version(folder: Folder) -> None:
    folder.write("a.jpg", JPEG)
    assert folder.after(1.0) == ["a.jpg"]
    (folder.path / "a.jpg").unlink()
    folder.write("a.jpg", encoded(street(seed=2), ".jpg"))
    assert folder.after(1.0) == ["a.jpg"]


def test_finished_files_come_in_natural_order_and_unfinished_names_never(folder: Folder) -> None:
    for name in ("c10.jpg", "c9.jpg", ".c1.jpg", "c2.part.jpg", "c3.jpg.tmp", "c1.txt"):
        folder.write(name, JPEG)
    (folder.path / "c0.jpg").mkdir()
    os.symlink("nowhere.jpg", folder.path / "c4.jpg")
    assert folder.after(1.0) == ["c9.jpg", "c10.jpg"]


def test_files_that_are_not_played_are_named_once_per_suffix(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name in ("a.flv", "b.flv", "c.jpg", "d.h264", "e.part"):
        folder.write(name, JPEG)
    assert folder.after(3.0) == ["c.jpg"]
    assert len(caplog.records) == 2
    assert "and others like it are not played; expected .mp4, .avi, .ts, .jpg, .png" in caplog.text


def test_the_key_of_any_name_is_one_line_of_text(tmp_path: Path) -> None:
    for name in (b"a\nb.jpg", b"\xff\xfe.jpg", "ü.jpg".encode()):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(JPEG)
        key = FileVersion.of(path).key
        assert "\n" not in key
        assert key.encode()
    assert FileVersion.of(tmp_path / "ü.jpg").key.endswith(" ü.jpg")


def test_a_pipe_or_a_link_to_nothing_is_named_once_and_not_played(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(folder.path / "cam_0001.jpg")
    (folder.path / "cam_0002.jpg").symlink_to(folder.path / "nothing.jpg")
    folder.write("cam_0003.jpg", JPEG)
    with caplog.at_level(logging.WARNING):
        assert folder.after(3.0) == ["cam_0003.jpg"]
    assert [record.getMessage().count("is no regular file") for record in caplog.records] == [1]
