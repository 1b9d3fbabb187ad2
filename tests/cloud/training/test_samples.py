"""Training images are listed once and read as the edge sees them."""

from pathlib import Path

import numpy as np
import pytest

from cloud.data.labelled_images import list_labelled, read_image
from cloud.detector.weights import WeightsCard
from cloud.errors import DataRefused
from cloud.training.samples import TrainingImages
from edge.vision.detector import letterbox
from tests.support.cloud.detector_weights import small_weights
from tests.support.cloud.labelled_images import square_images


def _card(*names: str) -> WeightsCard:
    return small_weights().with_card(class_names=names, input_width=160, input_height=96).card


def test_a_sample_is_what_the_edge_gives_its_network(tmp_path: Path) -> None:
    files = list_labelled(square_images(tmp_path, 3))
    images = TrainingImages(files, (), _card("fire", "smoke"))
    for index, file in enumerate(files):
        sample = images.read(index)
        blob, fit = letterbox(read_image(file.path), 160, 96)
        assert (sample.image.transpose(2, 0, 1) == (blob * 255).round()).all()
        np.testing.assert_array_equal(
            sample.boxes[:, 1:], fit.to_input(np.asarray([file.open().boxes[0].xyxy], np.float32))
        )


def test_only_images_made_for_the_training_keep_their_weather(tmp_path: Path) -> None:
    files = list_labelled(square_images(tmp_path, 3))
    images = TrainingImages(files[:1], files[1:], _card("fire", "smoke"))
    assert [images.read(index).keeps_weather for index in range(3)] == [False, True, True]
    assert (images.real, images.synthetic, len(images)) == (1, 2, 3)


def test_a_class_that_the_detector_lacks_is_refused_before_an_image_is_read(tmp_path: Path) -> None:
    files = list_labelled(square_images(tmp_path, 1))
    files[0].path.unlink()
    with pytest.raises(
        DataRefused, match=r"image .*yard_000\.jpg is labelled 'fire'; the detector has the classes smoke"
    ):
        TrainingImages(files, (), _card("smoke"))


def test_an_image_that_vanishes_during_a_training_is_one_sentence(tmp_path: Path) -> None:
    files = list_labelled(square_images(tmp_path, 1))
    images = TrainingImages(files, (), _card("fire", "smoke"))
    files[0].path.unlink()
    with pytest.raises(DataRefused, match=r"yard_000\.jpg cannot be read"):
        images.read(0)


def test_the_digest_changes_with_boxes_and_roles_of_images(tmp_path: Path) -> None:
    files = list_labelled(square_images(tmp_path / "one", 3))
    card = _card("fire", "smoke")
    digests = {TrainingImages(files[:n], files[n:], card).digest for n in (1, 2, 3)}
    label = tmp_path / "one" / "labels" / "yard_000.txt"
    label.write_text("0 0.5 0.5 0.5 0.5\n")
    digests.add(TrainingImages(list_labelled(tmp_path / "one"), (), card).digest)
    assert len(digests) == 4
    assert TrainingImages(files, (), card).digest == TrainingImages(files, (), card).digest
