"""`blindspot generator`: a contact sheet and a card of the configured generator, without a running cloud."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import cloud.generator_trial
from cloud.cli.main import app
from messaging.errors import ConfigurationError
from messaging.taxonomy import Light
from synth.contact_sheet import COLUMNS, contact_sheet
from synth.errors import GeneratorUnavailable
from synth.planning.backgrounds import DrawnBackgrounds
from synth.planning.vocabulary import read_vocabulary
from synth.speed import images_per_minute
from tests.support.synth.fakes import FakeGenerator
from tests.support.synth.orders import order


class DescribedGenerator(FakeGenerator):
    """The fake generator, with a description as the real one has it."""

    def description(self) -> dict[str, str]:
        return {"device": "cpu"}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.generator_trial, "_opened", lambda settings: DescribedGenerator())


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["generator", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_try_writes_a_sheet_with_one_row_for_each_hazard(opened: None, tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    output = _run(
        "try", "--class", "pothole", "--condition", "night-rain", "--count", "5", "--out", str(path),
        "--data", str(tmp_path / "absent"),
    )  # fmt: skip
    assert "5 hazards, 5 of them with a label" in output
    assert "at night" in output
    image = cv2.imread(str(path))
    rows = (image.shape[0] - 26) // 198
    assert (rows, image.shape[1]) == (5, 198 * len(COLUMNS) + 6)
    assert not (tmp_path / "absent").exists()


def test_a_row_shows_background_hazard_empty_place_difference_and_label() -> None:
    sheet = contact_sheet(order(count=1), FakeGenerator(), DrawnBackgrounds(), read_vocabulary())
    cells = [sheet.image[26:218, 6 + 198 * k : 6 + 198 * k + 192].astype(int) for k in range(5)]

    def changed(one: int, other: int) -> int:
        return int((np.abs(cells[one] - cells[other]).max(axis=2) > 40).sum())

    assert changed(1, 2) > 1000
    assert changed(0, 2) < changed(1, 2) / 10
    assert np.abs(cells[3]).max() > 200
    assert (cells[4] == (40, 220, 40)).all(axis=2).any()


def test_dark_patches_are_brightened_and_the_frame_is_not() -> None:
    wanted = order(count=1, light=Light.NIGHT)
    night = contact_sheet(wanted, FakeGenerator(), DrawnBackgrounds(), read_vocabulary())
    before = night.image[26:218, 6:198]
    assert 90 < np.median(before.max(axis=2)) < 130
    frame = night.image[26:218, 6 + 4 * 198 : 6 + 4 * 198 + 192]
    assert np.median(frame.max(axis=2)) < 80


def test_a_hazard_without_a_difference_is_counted_as_without_a_label() -> None:
    sheet = contact_sheet(
        order(count=3), FakeGenerator(broken_every=1), DrawnBackgrounds(), read_vocabulary()
    )
    assert (sheet.hazards, sheet.labelled) == (3, 0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("--class", "volcano"), "hazard class 'volcano' is unknown"),
        (("--condition", "night"), "is not LIGHT-WEATHER"),
        (("--out", "sheet.jpg"), "is no PNG file"),
    ],
)
def test_a_wrong_argument_is_refused_before_the_generator_is_opened(
    monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], sentence: str
) -> None:
    def not_opened(_: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(cloud.generator_trial, "_opened", not_opened)
    arguments = {"--class": "pothole", "--condition": "day-fog", change[0]: change[1]}
    with pytest.raises(ConfigurationError, match=sentence):
        _run("try", *(word for pair in arguments.items() for word in pair))


def test_the_card_shows_what_it_is_and_its_speed(opened: None) -> None:
    card = json.loads(_run("card", "--json"))
    assert (card["name"], card["licence"], card["device"]) == ("fake", "CC0-1.0", "cpu")
    assert card["images per minute"] > 0
    assert "images per minute" not in json.loads(_run("card", "--json", "--no-measure"))


def test_the_card_of_an_absent_generator_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text(f"synthesis: {{generator: {tmp_path / 'nowhere'}}}\n")
    with pytest.raises(GeneratorUnavailable, match="does not exist"):
        _run("card", "--config", str(path))


def test_the_speed_is_that_of_whole_batches() -> None:
    times = iter((10.0, 12.0))
    assert images_per_minute(FakeGenerator(), clock=lambda: next(times)) == 16 * 30
