"""Datasets in ZIP files: read without extracting; an archive that could do harm is refused unread."""

import stat
import zipfile
from pathlib import Path

import pytest

from cloud.data import zip_tree
from cloud.data.description import DatasetDescription, describe
from cloud.data.listing import ReadingOptions
from tests.support.trouble.data_folders import LABEL, coco_folder, data_folder, zip_of


def read(path: Path) -> DatasetDescription:
    return describe(path, ReadingOptions())


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return zip_of(data_folder(tmp_path / "data", {"a_1.jpg": LABEL, "B_1.JPG": LABEL}), tmp_path / "data.zip")


@pytest.mark.parametrize("top", ["", "export/", "__MACOSX/../"])
def test_a_zip_file_is_read_as_its_folder(tmp_path: Path, top: str) -> None:
    folder = data_folder(tmp_path / "data", {"a_1.jpg": LABEL, "b_1.jpg": ""})
    found = read(zip_of(folder, tmp_path / "data.zip", top=top))
    if ".." in top:
        assert all("leads out of the ZIP file" in fault.what for fault in found.faults[:4])
    else:
        assert (found.faults, [image.path for image in found.images]) == (
            (), ["images/a_1.jpg", "images/b_1.jpg"],
        )  # fmt: skip


def test_coco_in_a_zip_file_is_found(tmp_path: Path) -> None:
    found = read(zip_of(coco_folder(tmp_path / "coco"), tmp_path / "coco.zip", top="coco/"))
    assert (found.faults, found.boxes.total()) == ((), 1)


@pytest.mark.parametrize("name", ["../escape.jpg", "/etc/passwd.jpg", "images\\..\\..\\x.jpg", "C:/x.jpg"])
def test_a_path_that_leads_out_is_refused(archive: Path, name: str) -> None:
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(name, b"x")
    assert any("its path leads out of the ZIP file" in str(fault) for fault in read(archive).faults)


def test_links_copies_and_encrypted_files_are_refused(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as file:
        link = zipfile.ZipInfo("images/link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("images/a_1.jpg", b"y")
        hidden = zipfile.ZipInfo("images/hidden.jpg")
        file.writestr(hidden, b"z")
        hidden.flag_bits |= 0x1
    faults = [str(fault) for fault in read(archive).faults]
    for sentence in (
        "link.jpg: is a link or a special file",
        "a_1.jpg: is there twice",
        "hidden.jpg: is encrypted",
    ):
        assert any(sentence in fault for fault in faults), faults


def test_a_bomb_is_refused_before_it_is_expanded(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("labels/bomb.txt", b"0" * 50 * 2**20)
    [fault] = read(archive).faults
    assert "labels/bomb.txt: expands to" in str(fault)
    monkeypatch.setattr(zip_tree, "ARCHIVE_LIMIT_BYTES", 2**20)
    assert "expands to more than" in str(read(archive).faults[0])
    monkeypatch.setattr(zip_tree, "FILE_COUNT_LIMIT", 2)
    assert "holds more than 2 files" in str(read(archive).faults[0])


@pytest.mark.parametrize("part", [0.0, 0.5, 0.95])
def test_a_cut_zip_file_is_one_sentence(archive: Path, part: float) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * part)])
    [fault] = read(archive).faults
    assert "is a damaged or unfinished ZIP file" in str(fault)


def test_a_damaged_file_inside_is_named(archive: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo("images/a_1.jpg").header_offset + 60
    data = bytearray(archive.read_bytes())
    data[start : start + 40] = b"\xff" * 40
    archive.write_bytes(bytes(data))
    assert any("images/a_1.jpg: cannot be read from the ZIP file" in str(f) for f in read(archive).faults)
