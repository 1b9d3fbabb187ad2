"""A data folder is read as it is meant, or refused with all its faults; nothing is ignored in silence."""

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cloud.data.class_names import parse_class_map
from cloud.data.description import DatasetDescription, describe
from cloud.data.faults import Fault, refuse
from cloud.data.listing import ReadingOptions
from cloud.data.roles import DataRole
from cloud.errors import DataRefused
from tests.support.trouble.data_folders import (
    LABEL,
    ROWS,
    data_folder,
    odd_pairs,
    put_image,
    put_text,
    spreadsheet_index,
    street,
)


def read(folder: Path, **options: Any) -> DatasetDescription:
    return describe(folder, ReadingOptions(**options))


def faults(folder: Path, **options: Any) -> list[str]:
    return [str(fault) for fault in read(folder, **options).faults]


@pytest.mark.parametrize(
    "how",
    [
        {"mark": b"\xef\xbb\xbf"},
        {"separator": ";"},
        {"separator": "\t"},
        {"backslashes": True},
        {"mark": b"\xef\xbb\xbfsep=;\r\n", "separator": ";", "backslashes": True},
        {},
    ],
)
def test_the_index_of_a_spreadsheet_gives_scenes_and_conditions(tmp_path: Path, how: dict[str, Any]) -> None:
    found = read(spreadsheet_index(tmp_path / "data", **how))
    assert found.faults == ()
    assert found.scenes == ("bridge", "tunnel")
    assert found.conditions == {"night-rain": 2}


@pytest.mark.parametrize(
    ("index", "sentence"),
    [
        ("file,scene,condition\na_1.jpg,x,day\n", "has no row for 1 of 2 images: images/b_1.jpg"),
        ("file,scene\na_1.jpg,x\nb_1.jpg,y\nc_1.jpg,z\n", "line 4: there is no image 'c_1.jpg'"),
        ("file,scene\na_1.jpg,x\nb_1.jpg,y\na_1.jpg,z\n", "line 4: a second row for images/a_1.jpg"),
        ("image,scene\na_1.jpg,x\n", "no column `file`; its columns are image, scene"),
        ("file,scenes\na_1.jpg,x\nb_1.jpg,y\n", "column 'scenes' is unknown; did you mean 'scene'?"),
        (
            "file,condition\na_1.jpg,nihgt\nb_1.jpg,day\n",
            "line 2: condition 'nihgt' is not in the vocabulary",
        ),
        ("file,scene\na_1.jpg,night-rain\nb_1.jpg,y\n", "line 2: scene 'night-rain' is a condition"),
        ("file,scene\na_1.jpg,x,y\nb_1.jpg,y\n", "line 2: 3 fields, but the head has 2"),
        ('file,scene\n"a_1.jpg,x\n', "no table"),
        ("fi\x1b[31mle,scene\na_1.jpg,x\n", r"its columns are fi\x1b[31mle, scene"),
        ("file,scene,scene\na_1.jpg,x,y\nb_1.jpg,y,z\n", "column 'scene' is there twice"),
        ("", "no column `file`"),
        (b"file,scene\r\na_1.jpg,Br\xfccke\r\n", "line 2: byte 0xfc is not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_faulty_index_is_named_with_its_line(tmp_path: Path, index: str | bytes, sentence: str) -> None:
    folder = data_folder(tmp_path / "data", {"a_1.jpg": LABEL, "b_1.jpg": LABEL}, index=index)
    assert any(sentence in fault and "index.csv" in fault for fault in faults(folder)), faults(folder)


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    index = "FILE ,Scene,source,width\n C:\\data\\images\\a_1.jpg ,x,me,64\n"
    found = read(data_folder(tmp_path / "data", {"a_1.jpg": LABEL}, index=index))
    assert (found.faults, found.scenes) == ((), ("x",))
    assert "index.csv: columns not read: source, width" in found.notes


@pytest.mark.parametrize(
    "text",
    [b"\xef\xbb\xbf" + LABEL.encode(), b"\r\n" + LABEL.replace("\n", "\r\n").encode() + b"\r\n  \r\n"],
)
def test_byte_order_marks_and_blank_lines_do_not_matter(tmp_path: Path, text: bytes) -> None:
    found = read(data_folder(tmp_path / "data", {"a_1.jpg": text}))
    assert (found.faults, found.boxes.total()) == ((), 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (LABEL.encode("utf-16"), "labels/a_1.txt: is UTF-16 text; save it as UTF-8"),
        (LABEL.encode("utf-16-le"), "zero bytes"),
        (LABEL.encode() + b"\xa0\xff", "line 2: byte 0xa0 is not UTF-8"),
    ],
)
def test_labels_in_another_encoding_are_one_sentence(tmp_path: Path, text: bytes, sentence: str) -> None:
    [fault] = faults(data_folder(tmp_path / "data", {"a_1.jpg": text}))
    assert sentence in fault


@pytest.mark.parametrize(
    "names",
    [["fire", "smoke"], {"0": "fire", "1": "smoke"}, {"names": ["fire", "smoke"], "nc": 2},
     {"names": {"1": "smoke", "0": "fire"}}],
)  # fmt: skip
def test_class_names_are_a_list_or_a_mapping_from_zero(tmp_path: Path, names: object) -> None:
    found = read(data_folder(tmp_path / "data", {"a_1.jpg": LABEL}, names=names))
    assert (found.faults, found.class_names) == ((), ("fire", "smoke"))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("fire", "expected a list of class names, got 'fire'"),
        (3, "expected a list"),
        ([1, 2, 3], "1 is not a class name"),
        (["fire", "fire"], "class 'fire' is there twice"),
        ([], "there is no class name"),
        (["fire", " "], "' ' is not a class name"),
        ({"0": "fire", "2": "smoke"}, "class indices must be 0 to 1, got 0, 2"),
        ({"names": ["fire"], "nc": 3}, "nc is 3, but there are 1 names"),
        (["unknown"], "'unknown' is not a class name"),
        (["fi\x1b[31mre"], r"'fi\x1b[31mre' is not a class name"),
        (["Fire"], "did you mean 'fire'? use --map Fire=fire"),
        (["Fallen Person"], "use --map 'Fallen Person'=fallen_person"),
        (["person"], "this deployment has no class 'person', it has fire, smoke"),
    ],
)
def test_class_names_that_cannot_be_used_are_refused_on_entry(
    tmp_path: Path, names: object, sentence: str
) -> None:
    found = faults(data_folder(tmp_path / "data", {"a_1.jpg": LABEL}, names=names))
    assert len(found) == 1
    assert found[0].startswith("classes.json")
    assert sentence in found[0]


def test_classes_are_mapped_and_dropped_as_asked_and_the_notes_say_so(tmp_path: Path) -> None:
    folder = data_folder(
        tmp_path / "data", {"a_1.jpg": "0 0.5 0.5 0.1 0.1\n1 0.5 0.5 0.2 0.2\n"}, names=["Fire", "dog"]
    )
    found = read(folder, class_map=parse_class_map(["Fire=fire"], ["dog"]))
    assert (found.faults, found.class_names, found.boxes.total()) == ((), ("fire",), 1)
    assert found.notes == (
        "class 'Fire' becomes 'fire', with 1 boxes",
        "class 'dog' is dropped, with 1 boxes",
    )
    yaml_map = put_text(tmp_path / "map.yaml", "Fire: fire\ndog: null\n")
    assert read(folder, class_map=parse_class_map([str(yaml_map)], [])).images == found.images
    [fault] = faults(folder, class_map=parse_class_map(["Fire=fire", "cat=fire"], ["dog"]))
    assert "there is no class 'cat' to map" in fault


@pytest.mark.parametrize("what", list(odd_pairs()))
def test_a_label_file_whose_name_means_the_same_is_read(tmp_path: Path, what: str) -> None:
    image, label = odd_pairs()[what]
    folder = data_folder(tmp_path / "data", {image: None})
    put_text(folder / "labels" / label, LABEL)
    found = read(folder, role=DataRole.REPLAY)
    assert (found.faults, found.boxes.total()) == ((), 1)


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        (["a.jpg", "a.png"], ["a.txt"], "may belong to 2 images: images/a.jpg, images/a.png"),
        (["a.jpg", "a.png"], [], "has the same name as images/a.png but for the suffix"),
        (["Cam.jpg", "cam.jpg"], ["CAM.txt"], "labels/CAM.txt may belong to 2 images"),
        (["a.jpg"], ["a.txt", "a.TXT"], "2 label files for the image images/a.jpg"),
        (["a.jpg"], ["a.txt", "b.txt"], "labels/b.txt: belongs to no image"),
        (
            ["a.jpg"],
            ["a.txt", "a.jpg.txt"],
            "belongs to the image images/a.jpg, which has labels/a.txt already",
        ),
        (["val/a.jpg"], ["train/a.txt"], "labels/train/a.txt: belongs to no image"),
        (["a.jpg"], ["a.txt", "b.xml"], "labels/b.xml: is no label file"),
    ],
)
def test_what_is_ambiguous_or_left_over_is_refused(
    tmp_path: Path, images: list[str], labels: list[str], sentence: str
) -> None:
    folder = data_folder(tmp_path / "data", dict.fromkeys(images))
    for label in labels:
        put_text(folder / "labels" / label, LABEL)
    assert any(sentence in fault for fault in faults(folder)), faults(folder)


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    folder = data_folder(
        tmp_path / "data",
        {"a_1.jpg": "0 2 2 1 1\n9 0.5 0.5 0.1 0.1\n", "b_1.jpg": "x\n", "c_1.jpg": LABEL},
        index="file,condition\na_1.jpg,dak\nb_1.jpg,day\n",
    )
    (folder / "images" / "c_1.jpg").write_bytes(b"no image")
    assert len(faults(folder)) == 6


@pytest.mark.parametrize("kind", list(ROWS))
def test_a_row_that_is_no_box_is_refused_with_its_line(tmp_path: Path, kind: str) -> None:
    folder = data_folder(tmp_path / "data", {f"{kind}_0001.jpg": f"\n{ROWS[kind]}\n"})
    [fault] = faults(folder)
    assert f"labels/{kind}_0001.txt, line 2: " in fault


def test_polygons_are_boxes_on_request_and_a_box_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    twice = "0 0.5 0.5 0.2 0.2\n"
    folder = data_folder(
        tmp_path / "data", {"a_1.jpg": ROWS["polygon"], "b_1.jpg": twice + twice, "c_1.jpg": ""}
    )
    found = read(folder, segments_as_boxes=True)
    assert found.faults == ()
    assert found.images[0].boxes[0].cxcywh == pytest.approx((0.3, 0.35, 0.4, 0.5))
    assert [len(image.boxes) for image in found.images] == [1, 1, 0]
    assert "1 boxes are there twice and count once: labels/b_1.txt line 2" in found.notes


def test_sixteen_bits_are_stretched_and_noted_and_so_is_a_strip(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data", {"one_1.png": LABEL})
    thermal = 7000 + cv2.cvtColor(street(seed=9), cv2.COLOR_BGR2GRAY).astype(np.uint16) * 8
    cv2.imwrite(str(folder / "images" / "thermal_1.png"), thermal)
    put_image(folder / "images" / "strip_1.png", size=(2000, 1))
    found = read(folder)
    assert found.faults == ()
    assert "1 images are strips, of which a detector detects nothing: images/strip_1.png" in found.notes
    deep = "1 images with 16 bits per channel, stretched to 8 bits when they are read: images/thermal_1.png"
    assert deep in found.notes


def test_a_file_beside_the_images_of_a_format_that_is_not_read_is_noted(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data", {"one_1.png": LABEL})
    (folder / "images" / "two_2.gif").write_bytes(b"GIF89a")
    found = read(folder)
    assert found.faults == ()
    note = "1 files beside the images are of no format that is read: images/two_2.gif"
    assert note in found.notes


def test_an_index_names_the_images_of_the_dataset_before_files_of_other_folders(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data", {"a_1.jpg": LABEL})
    put_image(folder / "thumbnails" / "a_1.jpg", size=(64, 36))
    (folder / "index.csv").write_text("file,scene,condition\na_1.jpg,bridge,night-rain\n")
    found = read(folder)
    assert found.faults == ()
    assert [image.scene for image in found.images] == ["bridge"]


def test_copies_are_noted_and_with_other_labels_refused(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data", {"a_1.jpg": LABEL, "b_1.jpg": LABEL})
    (folder / "images" / "b_1.jpg").write_bytes((folder / "images" / "a_1.jpg").read_bytes())
    found = read(folder)
    assert found.faults == ()
    assert "1 images are copies of others: images/b_1.jpg of images/a_1.jpg" in found.notes
    put_text(folder / "labels" / "b_1.txt", "")
    assert "is the same image as images/a_1.jpg, with other labels" in faults(folder)[0]


@pytest.mark.parametrize(
    ("role", "text", "sentence"),
    [
        (DataRole.HOLDOUT, "", "has no box in 1 images; role holdout measures recall"),
        (DataRole.CALIBRATION, "", "has no box in 1 images"),
        (DataRole.REPLAY, None, "no label file for any of its 1 images"),
        (DataRole.BACKGROUND, LABEL, "1 images have hazards"),
    ],
)
def test_a_role_refuses_what_its_stage_would_refuse(
    tmp_path: Path, role: DataRole, text: str | None, sentence: str
) -> None:
    [fault] = faults(data_folder(tmp_path / "data", {"a_1.jpg": text}), role=role)
    assert sentence in fault


def test_a_class_that_the_detector_lacks_is_refused_for_training_only(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data", {"a_1.jpg": LABEL}, names=["flood"])
    [fault] = faults(folder, role=DataRole.BASE, trained_classes=("fire",))
    assert "the detector has no class 'flood'" in fault
    found = read(folder, role=DataRole.HOLDOUT, trained_classes=("fire",))
    assert found.faults == ()
    assert any("evaluations leave these boxes out" in note for note in found.notes)


def test_what_is_no_file_of_a_dataset_is_a_fault_and_never_read(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data", {"a_1.jpg": LABEL})
    os.mkfifo(folder / "images" / "pipe.jpg")
    (folder / "images" / "link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (folder / "images" / ".DS_Store").write_bytes(b"x")
    os.mkdir(os.fsencode(folder) + b"/labels/x")
    with open(os.fsencode(folder) + b"/images/\xff.jpg", "wb"):
        pass
    assert sorted(faults(folder)) == [
        "images/\\xff.jpg: its name is no printable UTF-8 text; rename it",
        "images/link.jpg: is a link to nothing; remove it",
        "images/pipe.jpg: is neither a file nor a folder; remove it",
    ]


def test_a_folder_reached_by_a_loop_of_links_is_read_once(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data", {"a_1.jpg": LABEL})
    (folder / "images" / "again").symlink_to(folder / "images")
    assert [image.path for image in read(folder).images] == ["images/a_1.jpg"]


def test_labels_of_a_label_tool_with_a_list_of_classes_are_read(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data", {"a_1.jpg": LABEL}, names=None)
    put_text(folder / "labels" / "classes.txt", "fire\r\nsmoke\r\n")
    found = read(folder)
    assert (found.faults, found.class_names, found.boxes.total()) == ((), ("fire", "smoke"), 1)


def test_images_with_one_name_in_two_sub_folders_get_names_of_their_own(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data", {"east/a_1.jpg": LABEL, "west/a_1.jpg": ""})
    found = read(folder)
    assert [(image.name, len(image.boxes)) for image in found.images] == [
        ("images_east_a_1.jpg", 1),
        ("images_west_a_1.jpg", 0),
    ]


def test_a_source_that_is_nothing_known_is_one_fault(tmp_path: Path) -> None:
    assert "does not exist" in faults(tmp_path / "nowhere")[0]
    assert "is not a folder, a ZIP file" in faults(put_text(tmp_path / "x.tar.gz", b"\x1f\x8b"))[0]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no images" in faults(empty)[0]
    put_text(empty / "classes.json", json.dumps({"a": ["deep"]}) + "}")
    assert "line 1: not valid JSON" in faults(empty)[0]


def test_a_refusal_names_its_folder_once() -> None:
    twice = [Fault("streets", "does not exist", "check the path"), Fault("a.jpg", "is empty", "leave it out")]
    with pytest.raises(DataRefused, match=r"^streets: does not exist; check the path$"):
        refuse("streets", twice[:1])
    with pytest.raises(DataRefused, match=r"\n  does not exist; check the path\n  a.jpg: is empty"):
        refuse("streets", twice)
