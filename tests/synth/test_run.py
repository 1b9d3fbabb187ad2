"""A whole synthesis order: counts, provenance, resuming, budget, refusals, progress."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.vision.detections import iou_matrix
from synth.errors import LabelledSetBroken, OrderRefused, SynthesisStopped
from synth.order import PrototypeToMatch, SynthesisOrder
from synth.progress import Progress, read_progress
from synth.run import Judges, RunHooks
from synth.selection.filters import FilterLimits, Refusal
from synth.selection.labelled_set import LabelledSet
from tests.support.synth.fakes import COLOURS, EMBEDDING, FakeDetector, FakeGenerator
from tests.support.synth.orders import geometry, order
from tests.support.synth.runs import run


def test_an_order_gives_its_count_of_images_with_tight_boxes_and_whole_provenance(tmp_path: Path) -> None:
    done = run(tmp_path, order(count=5))
    assert done.manifest.complete
    assert len(done.images) == len(list((done.folder / "labels").iterdir())) == 5
    for row, path in zip(done.provenance(), done.images, strict=True):
        assert row.name == path.stem
        assert row.order == order(count=5).digest
        assert row.background.startswith("drawn:background:")
        assert len(row.empty_patches) + len(row.reconstructions) >= 2
        for hazard in row.hazards:
            assert "pothole" in hazard.prompt or "hole in the road" in hazard.prompt
            assert "at night" in hazard.prompt
            assert hazard.scores.reference_score == pytest.approx(0.8)


def test_labels_are_on_what_was_generated(tmp_path: Path) -> None:
    done = run(tmp_path, order(count=6))
    overlaps = []
    for row, path in zip(done.provenance(), done.images, strict=True):
        image = cv2.imread(str(path))
        assert image is not None
        seen = FakeDetector(sees=("pothole",)).detect([np.asarray(image, np.uint8)])[0]
        tight = np.asarray([h.tight for h in row.hazards], np.float32)
        overlaps += list(iou_matrix(tight, seen.xyxy).max(axis=1))
        assert len(seen) == len(row.hazards), "a generated hazard without a label"
    assert np.mean(overlaps) > 0.7


def test_the_same_order_gives_the_same_set_and_another_seed_another(tmp_path: Path) -> None:
    first, again = run(tmp_path / "a"), run(tmp_path / "b")
    other = run(tmp_path / "c", order(seed=9))
    assert first.digest == again.digest != other.digest


def test_a_finished_order_is_opened_and_not_generated_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    idle = FakeGenerator()
    assert run(tmp_path, generator=idle).digest == first.digest
    assert idle.patches_generated == 0


def test_a_run_that_is_stopped_and_resumed_ends_with_the_same_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth.run.GROUP_SCENES", 1)
    wanted = order(count=6)
    whole = run(tmp_path / "whole", wanted)
    seen: list[Progress] = []
    with pytest.raises(SynthesisStopped, match="run it again with the same folder"):
        run(tmp_path / "torn", wanted, hooks=RunHooks(progress=seen.append, should_stop=lambda: bool(seen)))
    assert 0 < seen[-1].kept < 6
    with pytest.raises(LabelledSetBroken):
        LabelledSet.open(tmp_path / "torn")
    generator = FakeGenerator()
    resumed = run(tmp_path / "torn", wanted, generator=generator)
    assert resumed.digest == whole.digest
    assert generator.patches_generated < whole.manifest.patches_generated


def test_a_run_that_is_killed_and_resumed_ends_with_the_same_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth.run.GROUP_SCENES", 1)
    wanted = order(count=6)
    script = (
        "import os, sys\nfrom pathlib import Path\nimport synth.run\n"
        "from tests.support.synth.orders import order\nfrom tests.support.synth.runs import run\n"
        "synth.run.GROUP_SCENES = 1\n"
        "hooks = synth.run.RunHooks(progress=lambda _: os.kill(os.getpid(), 9))\n"
        "run(Path(sys.argv[1]), order(count=6), hooks=hooks)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "torn")], check=False, cwd=os.getcwd()
    )
    assert ended.returncode == -signal.SIGKILL
    assert run(tmp_path / "torn", wanted).digest == run(tmp_path / "whole", wanted).digest


def test_a_run_stops_at_the_budget_and_keeps_what_it_has(tmp_path: Path) -> None:
    generator = FakeGenerator()
    done = run(tmp_path, order(count=20, patch_budget=30), generator=generator)
    assert generator.patches_generated == done.manifest.patches_generated <= 30
    assert not done.manifest.complete
    assert 0 < len(done.images) < 20
    assert Refusal.OUT_OF_BUDGET in {row.reason for row in done.refused()}


def test_absent_wrong_and_unconfirmed_hazards_are_refused(tmp_path: Path) -> None:
    faulty = FakeGenerator(broken_every=3, other_every=4)
    done = run(tmp_path / "a", order(count=10), generator=faulty)
    reasons = {row.reason for row in done.refused()}
    assert {Refusal.NO_DIFFERENCE, Refusal.WRONG_CONTENT} <= reasons
    blind = run(tmp_path / "b", order(patch_budget=40), judges=Judges(reference=FakeDetector(sees=())))
    assert len(blind.images) == 0
    assert {Refusal.NOT_CONFIRMED} <= {row.reason for row in blind.refused()}


def test_a_refused_hazard_is_not_left_in_the_image_without_a_label(tmp_path: Path) -> None:
    done = run(tmp_path, order(count=8), generator=FakeGenerator(other_every=3))
    for path in done.images:
        seen = FakeDetector(sees=("smoke",)).detect([np.asarray(cv2.imread(str(path)), np.uint8)])[0]
        assert not [box for box in seen.xyxy if (box[2] - box[0]) * (box[3] - box[1]) > 150]


def test_what_a_generator_adds_to_an_empty_street_gets_into_no_image(tmp_path: Path) -> None:
    stray, plain = (run(tmp_path / str(k), generator=FakeGenerator(stray=bool(k))) for k in (1, 0))
    for a, b in zip(stray.images, plain.images, strict=True):
        assert a.read_bytes() == b.read_bytes()


def prototype(name: str) -> PrototypeToMatch:
    vector = tuple(float(v) - 90 for v in np.clip(np.asarray(COLOURS["pothole"]) + SHIFT[name], 0, 255))
    return PrototypeToMatch(vector=vector, embedding_digest=EMBEDDING)


SHIFT = {"reddish": (-25, 0, 25), "bluish": (20, 0, -25), "greenish": (-20, 25, -20)}


def test_another_prototype_changes_the_kept_images_and_the_set_is_nearer_to_its_own(tmp_path: Path) -> None:
    means = {}
    for name in SHIFT:
        wanted = order(count=6, best_of=6, prototype=prototype(name), geometry=(geometry(),))
        done = run(tmp_path / name, wanted, judges=Judges(detector=FakeDetector()))
        vectors = [
            FakeDetector().embed(
                np.asarray(cv2.imread(str(path)), np.uint8), np.asarray([h.tight], np.float32)
            )[0]
            for row, path in zip(done.provenance(), done.images, strict=True)
            for h in row.hazards
        ]
        means[name] = np.mean(vectors, axis=0)
        assert all(h.scores.prototype_distance is not None for row in done.provenance() for h in row.hazards)
    centre = np.mean(list(means.values()), axis=0)
    targets = np.asarray([prototype(name).vector for name in SHIFT])
    for row, name in enumerate(SHIFT):
        cosines = (targets - targets.mean(axis=0)) @ (means[name] - centre)
        assert cosines.argmax() == row


@pytest.mark.parametrize(
    ("wanted", "judges", "sentence"),
    [
        (order(prototype=prototype("bluish")), Judges(), "no detector to measure distances"),
        (
            order(prototype=PrototypeToMatch(vector=(1.0, 0.0, 0.0), embedding_digest="a" * 64)),
            Judges(detector=FakeDetector()),
            "different embeddings cannot be compared",
        ),
        (
            order(),
            Judges(detector=FakeDetector(digest="c" * 64), reference=FakeDetector(digest="c" * 64)),
            "is the one under training",
        ),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused_before_anything_is_generated(
    tmp_path: Path, wanted: SynthesisOrder, judges: Judges, sentence: str
) -> None:
    generator = FakeGenerator()
    with pytest.raises(OrderRefused, match=sentence):
        run(tmp_path, wanted, judges=judges, generator=generator)
    assert generator.patches_generated == 0


def test_a_folder_that_belongs_to_another_run_is_refused(tmp_path: Path) -> None:
    first = run(tmp_path)
    with pytest.raises(OrderRefused, match="another folder"):
        run(tmp_path, order(seed=8))
    with pytest.raises(OrderRefused, match="another folder"):
        run(tmp_path, generator=FakeGenerator(digest="9" * 64))
    assert LabelledSet.open(tmp_path).digest == first.digest


def test_progress_only_goes_up_and_thumbnails_are_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(1000))
    seen: list[Progress] = []
    monkeypatch.setattr("synth.run.GROUP_SCENES", 2)
    run(tmp_path, order(count=7), hooks=RunHooks(progress=seen.append, clock=lambda: float(next(ticks))))
    assert len(seen) > 1
    assert all(a.kept <= b.kept and a.patches_generated < b.patches_generated for a, b in pairwise(seen))
    assert seen[0].seconds_left is not None
    assert seen[-1].kept == 7
    assert read_progress(tmp_path) == seen[-1]
    lines = (tmp_path / "progress.jsonl").read_text().splitlines()
    assert [json.loads(line)["kept"] for line in lines] == [p.kept for p in seen]
    thumbnails = sorted((tmp_path / "thumbnails").glob("*.jpg"))
    assert len(thumbnails) == 7
    assert [path.name for path in sorted((tmp_path / "empty").glob("*.jpg"))] == [p.name for p in thumbnails]
    assert max(np.asarray(cv2.imread(str(thumbnails[0]))).shape) <= 160


def test_a_truncated_line_of_progress_is_skipped(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(tmp_path, hooks=RunHooks(progress=seen.append))
    with (tmp_path / "progress.jsonl").open("a") as file:
        file.write('{"order": "pot')
    assert read_progress(tmp_path) == seen[-1]


def test_another_limit_of_the_filters_changes_what_is_kept(tmp_path: Path) -> None:
    strict = replace(FilterLimits(), plan_iou=0.95)
    done = run(tmp_path, order(patch_budget=30), judges=Judges(limits=strict))
    assert Refusal.BOX_TOO_DIFFERENT in {row.reason for row in done.refused()}


def test_each_refused_image_leaves_a_small_marked_picture_that_is_no_image_of_the_set(tmp_path: Path) -> None:
    done = run(tmp_path, order(count=4), generator=FakeGenerator(other_every=3))
    judged = [row for row in done.refused() if row.reason is not Refusal.OUT_OF_BUDGET]
    assert judged
    assert {row.picture for row in judged} == {n for n in done.manifest.files if n.startswith("refused/")}
    for row in judged:
        content = (done.folder / row.picture).read_bytes()
        assert b"AI-generated by Blindspot" in content[:200]
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert max(picture.shape) == 320
    assert {path.parent.name for path in done.images} == {"images"}
    assert len(done.images) == 4
