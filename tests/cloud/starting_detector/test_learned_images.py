"""Lists of learned images: no two shipped detectors learned from one, and none from the pack's holdout."""

import csv
import itertools
from pathlib import Path

import pytest

from cloud.errors import DataRefused
from cloud.starting_detector import JUDGE_WEIGHTS, REFERENCE_WEIGHTS, STARTING_WEIGHTS, shipped, shipped_judge
from cloud.starting_detector.learned_images import (
    image_digests,
    learned_list,
    read_digests,
    require_disjoint,
    write_digests,
)
from cloud.starting_detector.photograph_pack import ORIGINS, PACK

SHIPPED = [path for path in (STARTING_WEIGHTS, REFERENCE_WEIGHTS, JUDGE_WEIGHTS) if shipped(path)]


def test_the_shipped_detectors_share_no_training_image() -> None:
    lists = [learned_list(path) for path in SHIPPED]
    assert min(len(read_digests(path)) for path in lists) > 1000
    require_disjoint(lists)


def test_none_learned_from_the_holdout_of_the_pack_and_its_replay_repeats_what_was_learned() -> None:
    with (PACK / ORIGINS).open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = {row["sha256_of_origin"] for row in rows if row["file"].startswith("holdout/")}
    replayed = {row["sha256_of_origin"] for row in rows if row["file"].startswith("replay/")}
    assert not kept & frozenset(itertools.chain(*(read_digests(learned_list(path)) for path in SHIPPED)))
    assert replayed <= read_digests(learned_list(STARTING_WEIGHTS))


def test_a_shared_image_is_refused_with_its_lists(tmp_path: Path) -> None:
    for name in ("one", "other", "third"):
        (tmp_path / name).write_bytes(name.encode())
    write_digests(tmp_path / "a.txt", image_digests([tmp_path / "one", tmp_path / "other"]))
    write_digests(tmp_path / "b.txt", image_digests([tmp_path / "third"]))
    require_disjoint([tmp_path / "a.txt", tmp_path / "b.txt"])
    write_digests(tmp_path / "c.txt", image_digests([tmp_path / "other"]))
    with pytest.raises(DataRefused, match=r"a\.txt and .*c\.txt have 1 images in common"):
        require_disjoint([tmp_path / name for name in ("a.txt", "b.txt", "c.txt")])


def test_the_reference_detector_judges_where_no_judge_is_installed() -> None:
    assert shipped_judge() == (JUDGE_WEIGHTS if JUDGE_WEIGHTS.exists() else REFERENCE_WEIGHTS)
