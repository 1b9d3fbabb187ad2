"""Sums of prototypes survive a restart of the node; nothing is counted twice by it."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from edge.privacy.appearances import Contribution
from edge.privacy.camera_prototypes import CameraPrototypes
from edge.privacy.release import release_prototype
from edge.settings import CameraSettings
from edge.vision.prototypes import PrototypeBook
from messaging.releases import BundleDescription
from tests.edge.privacy.test_accountant import DAY, KEY, START, Clock, Silence, account
from tests.support.fake_detector import describe

CAMERA = CameraSettings(name="cam", source="unused", same_place_s=5.0, same_place_frames=1)
BOX = np.asarray([20, 20, 44, 44], np.float32)


class Node:
    """The prototypes of one camera over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.time_s = folder, Clock(), 0.0
        self.file = folder / "prototypes" / "cam.json"
        self.restart()

    def restart(self, bundle: BundleDescription | None = None) -> None:
        payer = account(self.folder, self.clock)
        self.prototypes = CameraPrototypes(CAMERA, bundle or describe(), payer, self.file)

    def passes(self, objects: int) -> None:
        """Objects come and go at one place, one after the other."""
        for _ in range(objects):
            self.time_s += 100.0
            self.prototypes.offer(Contribution(KEY, np.ones(4, np.float32), 1), BOX, self.time_s)
            for later in (10.0, 20.0):
                self.prototypes.observe({}, self.time_s + later)

    def reports(self) -> list[int]:
        """Tracks of what is released."""
        released, _ = self.prototypes.release(START)
        self.prototypes.keep()
        return [report.tracks for report in released]

    def counted(self) -> int:
        return sum(self.prototypes._book.counts().values())


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_restart_loses_no_sum(node: Node) -> None:
    for counted in (7, 14):
        node.passes(7)
        assert node.reports() == []
        node.restart()
        assert node.counted() == counted
    node.passes(6)
    assert node.reports() == [20]


def test_the_mean_after_a_restart_is_that_without_one(node: Node, tmp_path: Path) -> None:
    book = PrototypeBook(describe().clip_norm, 4)
    for i in range(20):
        vector = np.asarray([i, 1, 2, 3], np.float32)
        book.add(KEY, vector)
        node.prototypes._book.add(KEY, vector)
        if i == 9:
            node.reports()
            node.restart()
    assert np.array_equal(node.prototypes._book.peek(KEY).mean, book.peek(KEY).mean)


def test_an_object_in_view_during_restarts_is_counted_once(node: Node) -> None:
    for _ in range(30):
        node.time_s += 100.0
        node.prototypes.offer(Contribution(KEY, np.ones(4, np.float32), 1), BOX, node.time_s)
        node.prototypes.observe({"track-1": BOX}, node.time_s + 1)
        node.reports()
        node.restart()
    assert node.counted() == 0
    node.passes(1)
    assert node.counted() == 1


def test_a_released_sum_does_not_come_back_and_the_next_needs_twice_the_tracks(node: Node) -> None:
    node.passes(20)
    assert node.reports() == [20]
    node.restart()
    assert node.counted() == 0
    node.passes(39)
    assert node.reports() == []
    node.restart()
    node.passes(1)
    assert node.reports() == [40]


def test_a_sum_that_comes_back_after_a_crash_is_paid_again(node: Node) -> None:
    node.passes(20)
    node.prototypes._file.note(node.prototypes._book)  # type: ignore[union-attr]  # it has a file
    node.prototypes.keep()
    payer = account(node.folder, node.clock)
    release_prototype(node.prototypes._book, KEY, payer, camera="cam", at_utc=START, noise=Silence())
    spent = payer.epsilon_spent()
    node.restart()
    assert node.reports() == [20]
    assert account(node.folder, node.clock).epsilon_spent() > spent


@pytest.mark.parametrize("content", ["", "{", '{"clip_norm": 1.0, "sums": 3}', "\0\0"])
def test_a_damaged_file_begins_again_and_is_named(
    node: Node, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    node.passes(3)
    node.reports()
    node.file.write_text(content)
    node.restart()
    assert node.counted() == 0
    assert "prototypes of cam begin again" in caplog.text
    node.passes(1)
    node.reports()
    node.restart()
    assert node.counted() == 1


@pytest.mark.parametrize(
    "change", [{"clip_norm": 2.0}, {"embedding_width": 8}, {"embedding_digest": "f" * 64}]
)
def test_sums_of_vectors_that_a_model_does_not_make_are_left_out(
    node: Node, change: dict[str, object]
) -> None:
    node.passes(3)
    node.reports()
    node.restart(describe().model_copy(update=change))
    assert node.counted() == 0


def test_a_full_disk_stops_no_prototype_and_is_waited_for(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    node.passes(3)
    with monkeypatch.context() as disk:
        disk.setattr(os, "replace", full)
        assert node.reports() == []
    monkeypatch.setattr(node.prototypes._file._file, "_due_s", 0.0)  # type: ignore[union-attr]  # it has one
    node.reports()
    node.restart()
    assert node.counted() == 3


def test_only_the_owner_may_read_the_sums(node: Node) -> None:
    node.passes(1)
    node.reports()
    assert node.file.stat().st_mode & 0o077 == 0


def test_nothing_is_written_while_nothing_changes(node: Node) -> None:
    node.passes(1)
    node.reports()
    before = node.file.stat().st_ino
    node.clock.ran_s += DAY
    assert node.reports() == []
    assert node.file.stat().st_ino == before
