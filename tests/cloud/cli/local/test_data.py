"""`blindspot data`: checked without a change, added whole or not at all, removed when nothing uses it."""

import json
from pathlib import Path

import cv2
import pytest

from cloud.settings import CloudSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database
from cloud.store.records import CampaignPlan, CampaignState
from tests.support.command_line import Completed, blindspot
from tests.support.trouble.data_folders import LABEL, coco_folder, data_folder, put_image, put_text, zip_of


def data(*arguments: object) -> Completed:
    return blindspot("data", *arguments)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> tuple[str, Path]:
    return "--data", tmp_path / "store"


def test_check_lists_every_fault_with_exit_code_3_and_changes_nothing(
    tmp_path: Path, store: tuple[str, Path]
) -> None:
    folder = data_folder(
        tmp_path / "a[b]", {"x_1.jpg": "0 2 2 1 1\n", "y_1.jpg": LABEL}, names=["fire", "Smoke"]
    )
    before = contents(tmp_path)
    done = data("check", folder, *store)
    assert done.returncode == 3
    assert "labels/x_1.txt, line 1: box 2 2 1 1 leaves the image" in done.stdout
    assert "did you mean 'smoke'? use --map Smoke=smoke" in done.stdout
    assert f"{folder}: YOLO folder with classes.json" in done.stdout
    assert "2 faults" in done.stdout
    assert contents(tmp_path) == before


def test_check_as_json_counts_by_class_and_condition(tmp_path: Path, store: tuple[str, Path]) -> None:
    index = "file,scene,condition\nx_1.jpg,yard,night-rain\ny_1.jpg,gate,day\n"
    folder = data_folder(tmp_path / "in", {"x_1.jpg": LABEL, "y_1.jpg": ""}, index=index)
    done = data("check", zip_of(folder, tmp_path / "in.zip"), "--role", "replay", "--json", *store)
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["boxes_by_class_and_condition"] == {"fire": {"night-rain": 1}}
    assert found["images_by_condition"] == {"night-rain": 1, "day-unknown": 1}
    assert (found["scenes"], found["faults"]) == (["gate", "yard"], [])
    assert found["smallest_and_largest_px"] == [[64, 36], [64, 36]]


def test_the_contact_sheet_is_a_new_file_outside_the_folder(tmp_path: Path, store: tuple[str, Path]) -> None:
    folder = data_folder(tmp_path / "in", {"x_1.jpg": LABEL})
    sheet = tmp_path / "sheet.png"
    assert data("check", folder, "--sheet", sheet, *store).returncode == 0
    assert cv2.imread(str(sheet)) is not None
    again = data("check", folder, "--sheet", sheet, *store)
    assert (again.returncode, "exists already; name a new file" in again.stderr) == (1, True)
    inside = data("check", folder, "--sheet", folder / "images" / "sheet.png", *store)
    assert (inside.returncode, "is inside the folder to check" in inside.stderr) == (1, True)
    assert len(contents(folder)) == 3


def test_a_faulty_folder_is_not_added_and_leaves_no_store(tmp_path: Path, store: tuple[str, Path]) -> None:
    folder = data_folder(tmp_path / "in", {"x_1.jpg": LABEL}, names=["person"])
    done = data("add", folder, "--role", "replay", *store)
    assert done.returncode == 1
    assert "this deployment has no class 'person'" in done.stderr
    assert not store[1].exists()


def test_coco_is_added_listed_and_removed(tmp_path: Path, store: tuple[str, Path]) -> None:
    crowd = {"id": 2, "bbox": [0, 0, 64, 36], "iscrowd": 1}
    folder = coco_folder(tmp_path / "coco", annotations=[crowd])
    added = data("add", folder, "--role", "holdout", "--name", "town", *store)
    assert added.returncode == 0, added.stderr
    assert "1 images, 1 boxes in role holdout, read as COCO annotations of annotations.json" in added.stderr
    assert "1 annotation left out: crowd" in added.stderr
    [row] = json.loads(data("list", "--json", *store).stdout)["datasets"]
    assert (row["name"], row["role"], row["classes"], row["boxes"]) == ("town", "holdout", ["fire"], 1)
    before = contents(folder)
    removed = data("remove", row["digest"][:10], *store)
    assert removed.returncode == 0, removed.stderr
    assert f"removed town ({row['digest'][:12]}, role holdout): 5 files, 1 images" in removed.stdout
    assert contents(folder) == before
    again = data("remove", "town", *store)
    assert (again.returncode, "there is no dataset 'town'" in again.stderr) == (1, True)


def test_nothing_is_removed_while_a_campaign_may_use_it(tmp_path: Path, store: tuple[str, Path]) -> None:
    assert (
        data("add", data_folder(tmp_path / "in", {"x_1.jpg": LABEL}), "--role", "replay", *store).returncode
        == 0
    )
    before = contents(store[1] / "datasets")
    database = open_database(CloudSettings(data=store[1]).store_url)
    campaigns = CampaignStore(database)
    campaigns.create("01CAMPAIGN", CampaignPlan(("fire.night-rain.missed",), count=4), started_by="test")
    refused = data("remove", "in", *store)
    assert refused.returncode == 1
    assert "campaign 01CAMPAIGN is queued and may read this dataset" in refused.stderr
    assert contents(store[1] / "datasets") == before
    campaigns.set_state("01CAMPAIGN", CampaignState.DONE, ended=True)
    database.close()
    assert data("remove", "in", *store).returncode == 0


def test_classes_of_the_configuration_count(tmp_path: Path) -> None:
    classes = put_text(
        tmp_path / "classes.yaml",
        "classes:\n"
        "  - {name: fire, severity: 5, words: [fire]}\n"
        "  - {name: rubbish, severity: 1, words: [rubbish]}\n",
    )
    config = put_text(tmp_path / "cloud.yaml", f"data: {tmp_path / 'store'}\nclasses: {classes}\n")
    folder = data_folder(tmp_path / "in", {"x_1.jpg": LABEL}, names=["fire", "rubbish"])
    assert data("add", folder, "--role", "holdout", "--config", config).returncode == 0
    assert (tmp_path / "store" / "datasets" / "holdout").is_dir()


def test_backgrounds_are_images_alone(tmp_path: Path, store: tuple[str, Path]) -> None:
    put_image(tmp_path / "in" / "a_1.jpg", size=(320, 180))
    done = data("add", tmp_path / "in", "--role", "background", *store)
    assert (done.returncode, "read as images without labels" in done.stderr) == (0, True)
    other = data("add", tmp_path / "in", "--role", "replay", *store)
    assert (other.returncode, "has no classes.json" in other.stderr) == (1, True)


def test_polygons_and_splits_are_read_on_request(tmp_path: Path, store: tuple[str, Path]) -> None:
    folder = data_folder(
        tmp_path / "in", {"train/a_1.jpg": "0 0.1 0.1 0.5 0.1 0.5 0.6", "val/b_1.jpg": LABEL}, names=None
    )
    put_text(folder / "data.yaml", "names: [fire]\ntrain: images/train\nval: images/val\n")
    unsaid = data("add", folder, "--role", "replay", *store)
    assert (unsaid.returncode, "add one with --split" in unsaid.stderr) == (1, True)
    done = data("add", folder, "--role", "replay", "--split", "train", "--segments-as-boxes", *store)
    assert (done.returncode, "1 images, 1 boxes" in done.stderr) == (0, True)
