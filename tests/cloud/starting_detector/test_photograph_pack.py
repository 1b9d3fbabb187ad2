"""The pack of photographs that ships: certain licences, scenes of one role, small, with its credits."""

import csv
import hashlib
import os
from pathlib import Path

import pytest

from cloud.data.labelled_images import list_labelled
from cloud.data.roles import DataRole
from cloud.starting_detector.photograph_pack import ORIGINS, PACK, make_pack, part_of_pack
from cloud.starting_detector.photographs import SOURCES, TRAIN, read_photographs
from tests.cloud.starting_detector.test_photographs import data_set

ROLES = (DataRole.REPLAY, DataRole.CALIBRATION, DataRole.HOLDOUT)
DATA = Path(__file__).parents[4] / "shared" / "data"
SETS = (DATA / "hazards", DATA / "hazards_licensed")
MOST_BYTES = 12_000_000


def origins() -> list[dict[str, str]]:
    """The rows of the list of origins."""
    with (PACK / ORIGINS).open(newline="") as file:
        return list(csv.DictReader(file))


def test_no_scene_and_no_image_has_two_roles() -> None:
    scenes = [{file.scene for file in list_labelled(PACK / role)} for role in ROLES]
    assert all(scenes)
    assert sum(map(len, scenes)) == len(set().union(*scenes))
    digests = [row["sha256_of_origin"] for row in origins()]
    assert len(set(digests)) == len(digests)


def test_every_image_is_of_a_certain_source_and_the_credits_name_it() -> None:
    rows = origins()
    assert {row["file"] for row in rows} == {
        str(file.path.relative_to(PACK)) for role in ROLES for file in list_labelled(PACK / role)
    }
    credits_text = (PACK / "CREDITS.md").read_text()
    for source in {row["source"] for row in rows}:
        assert SOURCES[source].certain
        assert f"| {source} |" in credits_text


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in PACK.rglob("*") if path.is_file()) <= MOST_BYTES


def test_replay_and_holdout_have_every_class() -> None:
    for role in (DataRole.REPLAY, DataRole.HOLDOUT):
        found = {box.class_name for file in list_labelled(PACK / role) for box in file.boxes}
        assert found == {"fire", "smoke", "pothole", "garbage", "fallen_person"}


def test_a_part_of_it_is_spread_over_its_sources(tmp_path: Path) -> None:
    files = list_labelled(part_of_pack(DataRole.REPLAY, 30, tmp_path))
    assert len(files) == 30
    assert len({file.path.name.split("_")[0] for file in files}) >= 5
    assert len(list_labelled(part_of_pack(DataRole.CALIBRATION, 10_000, tmp_path / "all"))) == 70


def test_the_pack_is_made_of_train_and_val_by_scene(tmp_path: Path) -> None:
    rows = (
        ("images/train/a.jpg", "train", "dnit", "road_1", "day", "far"),
        ("images/train/b.jpg", "train", "dnit", "dnit_DF_060", "day", "far"),
        ("images/train/c.jpg", "train", "trash", "trash_1", "day", "near"),
        ("images/val/d.jpg", "val", "dnit", "road_2", "day", "far"),
    )
    pack = make_pack([data_set(tmp_path / "data", rows)], tmp_path / "pack")
    made = {role: [file.path.name for file in list_labelled(pack / role)] for role in ROLES}
    assert made == {"replay": ["a.jpg"], "calibration": ["b.jpg"], "holdout": ["d.jpg"]}


@pytest.mark.skipif(not all(map(os.path.isdir, SETS)), reason="the data sets of photographs are not here")
def test_the_holdout_shows_nothing_of_the_split_train() -> None:
    learned = {hashlib.sha256(p.path.read_bytes()).hexdigest() for p in read_photographs(SETS, TRAIN)}
    held_out = {row["sha256_of_origin"] for row in origins() if row["file"].startswith("holdout/")}
    assert held_out
    assert not held_out & learned
